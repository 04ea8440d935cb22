"""Runs the turns of a session in one `__main__`, as an interactive interpreter does."""

import __future__

import ast
import builtins
import contextvars
import functools
import linecache
import operator
import os
import re
import sys
from collections import deque
from types import CodeType, TracebackType
from typing import Any, Final, NoReturn

from . import display, ending, fresh
from .session_wire import BY_LINES, Reply, Request

# What `from __future__ import` changes for the turns after it too.
_FUTURE: Final = functools.reduce(
    operator.or_,
    (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names),
)
_COROUTINE: Final = 0x80
# One line that assigns to one name, and nothing after it.
_ASSIGNMENT: Final = re.compile(
    r"[^\W\d]\w*\s*(?:[-+%&|^@]|\*\*?|//?|<<|>>)?=(?!=)[^;\r\n]*"
).fullmatch
# How many turns keep their source although nothing of them seems to be left.
_RECENT: Final = 256


class Interactive:
    """The program of a session."""

    def __init__(
        self,
        inside: dict[str, Any],
        arguments: list[str],
        variables: dict[str, str],
        unbuffered: bool,
    ) -> None:
        fresh.start()
        os.environ.clear()
        os.environ.update(variables)
        fresh.with_environment()
        sys.orig_argv = ["python", *arguments]
        sys.argv = ["", *arguments]
        inside["_refresh"](unbuffered)
        self._exit_code = inside["_exit_code"]
        self.namespace: dict[str, Any] = inside["_fresh_main"]().__dict__
        self.flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._context = contextvars.copy_context()
        self._runner: Any = None
        self._turns = 0
        self._recent: deque[str] = deque()
        self._by_lines = False

    def execute(self, request: Request, reply: Reply) -> bytes:
        """Runs a turn to its end."""
        self._turns += 1
        name = f"<turn {self._turns}>"
        keeps = True
        raised: BaseException | None = None
        try:
            text = request.text()
            linecache.cache[name] = (len(text), None, text.splitlines(True), name)
            self._buffer(bool(request.flags & BY_LINES))
            keeps = self._run(text, name, reply)
        except BaseException as error:
            raised = error
        # From here on nothing is being handled, for those who look for the context.
        if not keeps:
            self._forget_later(name)
        if isinstance(raised, SystemExit):
            self.end(self._exit_code(raised))
        body = reply.done() if raised is None else _raised(raised, name, reply)
        flush()
        return body

    def end(self, code: int) -> NoReturn:
        """Ends the program as the end of a script does, and the process."""
        try:
            if self._runner is not None:
                self._runner.close()
        finally:
            ending.end(code)

    def _run(self, text: str, name: str, reply: Reply) -> bool:
        """Runs a source text and shows its last expression; says whether its source is kept."""
        codes, shows = self._compiled(text, name)
        value = self._evaluate(codes)
        if shows:
            self._show(value, reply)
        return any(_has_code(code) for code in codes)

    def _compiled(self, text: str, name: str) -> tuple[list[CodeType], bool]:
        """The code of a source text, that of its last expression apart; and whether it has one."""
        if _ASSIGNMENT(text) is not None:
            # It has none, which is known without a look at its tree.
            code = compile(text, name, "exec", self.flags, True)
            return [code], False
        tree = compile(text, name, "exec", self.flags | ast.PyCF_ONLY_AST, True)
        body = tree.body
        codes: list[CodeType] = []
        shows = bool(body) and type(body[-1]) is ast.Expr
        last = ast.Expression(body.pop().value) if shows else None
        if body:
            code = compile(tree, name, "exec", self.flags, True)
            self.flags |= code.co_flags & _FUTURE
            codes.append(code)
        if last is not None:
            codes.append(compile(last, name, "eval", self.flags, True))
        return codes, shows

    def _evaluate(self, codes: list[CodeType]) -> Any:
        """Runs these one after the other, in the session's event loop if one of them awaits."""
        if any(code.co_flags & _COROUTINE for code in codes):
            if self._runner is None:
                import asyncio

                self._runner = asyncio.Runner()
            return self._runner.run(_awaited(codes, self.namespace), context=self._context)
        value = None
        for code in codes:
            value = self._context.run(eval, code, self.namespace)
        return value

    def _show(self, value: Any, reply: Reply) -> None:
        if value is None:
            return
        builtins._ = None  # type: ignore[attr-defined]
        display.show(value, reply)
        builtins._ = value  # type: ignore[attr-defined]

    def _buffer(self, by_lines: bool) -> None:
        """Writes each line at once where somebody reads along."""
        if by_lines != self._by_lines:
            self._by_lines = by_lines
            stdout = sys.stdout
            if stdout is not None and not stdout.isatty():
                stdout.reconfigure(line_buffering=by_lines)  # type: ignore[union-attr]

    def _forget_later(self, name: str) -> None:
        """Nothing of this turn seems to be left, so its source is not kept for ever."""
        self._recent.append(name)
        if len(self._recent) > _RECENT:
            linecache.cache.pop(self._recent.popleft(), None)


async def _awaited(codes: list[CodeType], namespace: dict[str, Any]) -> Any:
    value = None
    for code in codes:
        value = eval(code, namespace)
        if code.co_flags & _COROUTINE:
            value = await value
    return value


def _has_code(code: CodeType) -> bool:
    return any(type(constant) is CodeType for constant in code.co_consts)


def _raised(error: BaseException, name: str, reply: Reply) -> bytes:
    """Reports an exception as the interactive interpreter does, to the host alone."""
    error.__traceback__ = _program_part(error.__traceback__, name)
    sys.last_exc = sys.last_value = error  # type: ignore[attr-defined]
    sys.last_type, sys.last_traceback = type(error), error.__traceback__
    if sys.excepthook is not sys.__excepthook__:
        try:
            sys.excepthook(type(error), error, error.__traceback__)
        except BaseException as hooks:
            print("Error in sys.excepthook:", file=sys.stderr)
            sys.__excepthook__(type(hooks), hooks, hooks.__traceback__)
    kind = type(error)
    where = kind.__module__
    named = (
        kind.__qualname__ if where in ("builtins", "__main__") else f"{where}.{kind.__qualname__}"
    )
    told = reply.interrupted if isinstance(error, KeyboardInterrupt) else reply.raised
    return told(named, _message(error), _traceback(error))


def _program_part(traceback: TracebackType | None, name: str) -> TracebackType | None:
    """The traceback from the first frame of the turn on, or without ours where there is none."""
    at = traceback
    while at is not None:
        if at.tb_frame.f_code.co_filename == name:
            return at
        at = at.tb_next
    while traceback is not None and traceback.tb_frame.f_globals.get("__package__") == __package__:
        traceback = traceback.tb_next
    return traceback


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # it is the program's own
        return f"<exception str() failed of {type(error).__name__}>"


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))


def flush() -> None:
    """Writes what the streams hold. Whoever replaced them gets no error for it."""
    for stream in {id(s): s for s in (sys.stdout, sys.stderr, sys.__stdout__)}.values():
        try:
            stream.flush()  # type: ignore[union-attr]
        except Exception:  # as the entry does after a turn
            continue
