"""Makes the memory of a snapshot: imports modules, and leaves an interpreter like a new one.

The host asks for each step by a turn whose source begins with `REQUEST`, with a request in JSON
behind it. The answer is JSON in a file, because of a turn's status the host gets one byte.
"""

import errno
import gc
import importlib
import io
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from . import ending, entry, fresh, import_record, ready_modules, settled

REQUEST: Final = b"S"
ANSWER: Final = "/.answer/answer"
_LONGEST: Final = 16_000
_NO_NETWORK: Final = "there is no network while a snapshot is made: connect when the program runs"

_making: "_Making | None" = None
# In the place of a module: keeps the libraries in memory, so that no directory has to have them.
_EMBEDDED: Final = "sandbox_net.embedded"


def adapt() -> None:
    """Changes the distribution's entry point, so that it takes such turns."""
    inside = entry.find()
    if inside is None:
        return
    otherwise: Callable[..., Any] = entry.detach_turn(inside)

    def turn(source: bytes | None, environ: Any) -> Any:
        if source is None or source[:1] != REQUEST:
            return otherwise(source, environ)
        answer = _take(json.loads(source[1:]), environ)
        with open(ANSWER, "w", encoding="utf-8") as file:
            json.dump(answer, file)
        return 0, False

    inside[entry.TURN] = turn


def _take(request: dict[str, Any], environ: Any) -> dict[str, Any]:
    """Takes one step: `begin`, `import` for each module, `end`, `settle`."""
    global _making
    match request["step"]:
        case "begin":
            variables = environ[1] if environ is not None else {}
            _making = _Making(variables, bool(request.get("automatic")))
            _making.rehearses = bool(request.get("rehearses"))
        case "import":
            return _import(request["module"], _making)
        case "end" if _making is not None:
            making, _making = _making, None
            return making.end()
        case "settle":
            settled.settle(request["objects"])
    return {}


def _import(name: str, making: "_Making | None") -> dict[str, Any]:
    before = threading.enumerate()
    try:
        if name == _EMBEDDED:
            # It imports what a program would otherwise find imported already, such as `random`.
            from . import memory_library

            memory_library.embed(sys.path)
        else:
            importlib.import_module(name)
    except BaseException as error:
        return {"error": _text(error), "trace": _trace(error)}
    finally:
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
    if making is not None:
        making.imported.append(name)
    record = making and making.record
    fault = (record and record.fault()) or _left(before)
    return {"fault": fault} if fault and record else {}


def _text(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).strip()[:_LONGEST]


def _trace(error: BaseException) -> str:
    trace = error.__traceback__
    # The frame of this module comes first.
    trace = trace.tb_next if trace is not None else None
    return "".join(traceback.format_exception(type(error), error, trace))[-_LONGEST:]


class _Making:
    """What a program finds as it was, whatever an import does to it."""

    def __init__(self, environ: dict[str, str], is_automatic: bool) -> None:
        self._directory = os.getcwd()
        self._argv = sys.argv, list(sys.argv)
        self._orig_argv = sys.orig_argv, list(sys.orig_argv)
        self._environ = dict(os.environ)
        self._streams = sys.stdin, sys.stdout, sys.stderr
        self._main = sys.modules["__main__"]
        self._control = sys.modules.get(f"{__package__}.control")
        if self._control is not None:
            self._control.use_transport(_Refusing(self))
        os.environ.update(environ)
        self.imported: list[str] = []
        self.rehearses = False
        self.record = import_record.Record() if is_automatic else None
        self._end_following = fresh.follow_generators()

    def end(self) -> dict[str, Any]:
        """Restores it; returns what cannot be and must not stay, and what a rehearsal left."""
        kept = self.record.end() if self.record is not None else None
        rehearsed = self._rehearse() if self.rehearses else None
        self._end_following()
        if kept is not None:
            modules, may_keep_streams = kept
            ready_modules.keep(modules, self.imported, may_keep_streams)
        sys.stdin, sys.stdout, sys.stderr = self._streams
        os.chdir(self._directory)
        sys.argv, sys.argv[:] = self._argv
        sys.orig_argv, sys.orig_argv[:] = self._orig_argv
        os.environ.clear()
        os.environ.update(self._environ)
        sys.modules["__main__"] = self._main
        if self._control is not None:
            self._control.use_transport(None)
        # They are not destroyed at a program's end.
        ending.begin()
        fresh.collect()
        return {"left": _left(threading.enumerate()[:1]) or _open_file(), "rehearsed": rehearsed}

    def _rehearse(self) -> str | None:
        if self._control is None:
            return None
        from . import rehearsal_clients

        return rehearsal_clients.rehearse()


class _Refusing:
    """The way to the host where there is none yet."""

    def __init__(self, making: _Making) -> None:
        self._making = making

    def write(self, header: bytes, payload: bytes | memoryview) -> NoReturn:
        if self._making.record is not None:
            self._making.record.fail("it asks for the network")
        raise PermissionError(errno.EACCES, _NO_NETWORK)

    def read_into(self, view: memoryview) -> NoReturn:
        raise PermissionError(errno.EACCES, _NO_NETWORK)


def _left(before: Sequence[threading.Thread]) -> str | None:
    others = [each.name for each in threading.enumerate() if each not in before]
    return f"the thread {others[0]} still runs" if others else None


def _open_file() -> str | None:
    gc.unfreeze()
    everything = gc.get_objects()
    gc.freeze()
    for each in everything:
        if type(each) is io.FileIO and not each.closed and each.fileno() > 2:
            return f"the file {each.name} is open"
    return None
