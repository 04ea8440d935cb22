"""Runs the program that the arguments name, as the `main` of CPython does."""

import io
import linecache
import os
import pkgutil
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any, Final, NamedTuple

from . import uncaught

_CANNOT_OPEN: Final = 2
_REACTOR: Final = "<reactor>"


class Arguments(NamedTuple):
    """What the arguments of the interpreter say."""

    is_unbuffered: bool
    # Of `-c`, `-m` and `-`, or empty for a file and for none.
    option: str
    target: str | None
    rest: Sequence[str]


def parse(argv: Sequence[str]) -> Arguments | None:
    """Returns what the arguments say; none if there are options of other kinds."""
    args = argv[1:]
    is_unbuffered = False
    while args and args[0] == "-u":
        is_unbuffered, args = True, args[1:]
    if not args:
        return Arguments(is_unbuffered, "-", None, ())
    if args[0] in ("-c", "-m"):
        if len(args) == 1:
            return None
        return Arguments(is_unbuffered, args[0], args[1], args[2:])
    if args[0] == "-":
        return Arguments(is_unbuffered, "-", "-", args[1:])
    if args[0].startswith("-"):
        return None
    return Arguments(is_unbuffered, "", args[0], args[1:])


def run(
    arguments: Arguments,
    argv: Sequence[str],
    environ: Mapping[str, str],
    new_main: Callable[[], ModuleType],
) -> tuple[int, bool]:
    """Runs it; returns the exit code, and whether a Ctrl-C that nobody caught ended it."""
    sys.orig_argv = list(argv)
    if os.environ:
        os.environ.clear()
    for name, value in environ.items():
        os.environ[name] = value
    hidden = {__file__, _REACTOR}
    # Of a module CPython shows how it was found.
    if arguments.option != "-m":
        hidden.add(runpy.run_path.__code__.co_filename)
    is_file = arguments.option in ("", "-")
    given = ended = None
    try:
        _run(arguments, new_main)
    except SystemExit as end:
        given = end.code
    except BaseException as error:
        ended = error
    # From here on nothing is being handled, for those who look for the context.
    if is_file:
        _flush()
    if ended is None:
        return uncaught.exit_code(given), False
    if isinstance(ended, _CannotOpen):
        uncaught.write(f"{ended.text(argv)}\n")
        return _CANNOT_OPEN, False
    uncaught.strip(ended, hidden)
    return uncaught.report(ended), type(ended) is KeyboardInterrupt


class _CannotOpen(Exception):
    def __init__(self, target: str, error: OSError) -> None:
        super().__init__()
        self.target, self.error = target, error

    def text(self, argv: Sequence[str]) -> str:
        return (
            f"{argv[0] if argv else 'python'}: can't open file {self.target!r}: "
            f"[Errno {self.error.errno}] {self.error.strerror}"
        )


def _run(arguments: Arguments, new_main: Callable[[], ModuleType]) -> None:
    _, option, target, rest = arguments
    names = vars(new_main())
    sys.argv = [target or "", *rest]
    if option == "-c":
        sys.argv[0] = "-c"
        _run_command(target or "", names)
    elif option == "-m":
        runpy._run_module_as_main(target)  # type: ignore[attr-defined]
    elif option == "-":
        exec(compile(sys.stdin.read(), "<stdin>", "exec"), names)
    elif target is not None and pkgutil.get_importer(target) is not None:
        sys.path.insert(0, target)
        runpy._run_module_as_main("__main__", alter_argv=False)  # type: ignore[attr-defined]
    elif target is not None:
        _run_file(target, names)


def _run_command(text: str, names: dict[str, Any]) -> None:
    code = compile(text, "<string>", "exec")
    if (register := getattr(linecache, "_register_code", None)) is not None:
        register(code, text, "<string>")
    exec(code, names)


def _run_file(path: str, names: dict[str, Any]) -> None:
    code = _code_of(path)
    loaders = sys.modules["_frozen_importlib_external"]
    is_compiled = path.endswith(".pyc")
    loader = loaders.SourcelessFileLoader if is_compiled else loaders.SourceFileLoader
    names["__file__"] = path
    names["__loader__"] = loader("__main__", path)
    try:
        exec(code, names)
    finally:
        names.pop("__file__", None)


def _code_of(path: str) -> CodeType:
    try:
        with io.open_code(path) as file:
            code = pkgutil.read_code(file)
        if isinstance(code, CodeType):
            return code
        with io.open_code(path) as file:
            text = file.read()
    except OSError as error:
        raise _CannotOpen(path, error) from None
    return compile(text, path, "exec")


def _flush() -> None:
    """Flushes as CPython does after a file, before it reports an error."""
    for stream in (sys.stderr, sys.stdout):
        try:
            stream.flush()
        except BaseException:
            continue
