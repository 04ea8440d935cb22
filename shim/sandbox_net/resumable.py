"""Makes functions whose frames can be suspended in a wait, and resumed.

A build for WASI has one stack, so a function that waits cannot be suspended. A generator can. A
function that a thread runs is compiled a second time from its source, with each call `f(x)` written
as `yield from call(f, x)`, so that a wait anywhere below returns its thread to `cooperation`. Only
functions that may wait are compiled this way: others run as fast as ever. A function without a
source, or one that C code calls, waits in line instead.
"""

import __future__

import ast
import builtins
import contextvars
import copy
import functools
import inspect
import linecache
import sys
import types
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final

from .cooperation import Request

Steps = Generator[Request, bool, Any]
_Defined = ast.FunctionDef | ast.Lambda

_CALL: Final = "_sandbox_net_call"
_ENTER: Final = "_sandbox_net_enter"
_VALUE: Final = "_sandbox_net_value"
_STOP: Final = "_sandbox_net_stop"
_STOPPED: Final = "_sandbox_net_stopped"
_OWN: Final = (_CALL, _ENTER, _VALUE, _STOP, _STOPPED)
_GENERATOR: Final = inspect.CO_GENERATOR
_NO_PLAIN_FUNCTION: Final = _GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_WITH_CLASS: Final = "def around():\n class Owner:\n  pass"
_FUNCTION: Final = f"""
def function():
    try:
        pass
    except {_STOP} as {_STOP}_error:
        return {_STOPPED}({_STOP}_error)
"""
_LOOP: Final = """{f} = 0
{end} = 0
while not (({item} := {value}((yield from {call}({f})))) == {end}):
    _ = {item}
"""
# Called by these names, they do not wait, or they inspect their caller's frame.
_BUILTINS: Final = frozenset(dir(builtins))
_NEVER_WAIT: Final = frozenset({"append", "items", "keys", "values", "startswith", "format"})
# A function that uses one of these names may wait.
_WAITS: Final = frozenset(
    {"sleep", "wait", "wait_for", "put", "acquire", "result", "sleep_ms", "select"}
)
# So may one with these, which dictionaries and strings have, too, in a module that uses threads.
_MAY_WAIT: Final = frozenset({"get", "join"})
_OF_THREADS: Final = frozenset({"queue", "Queue", "SimpleQueue", "threading", "Thread"})

# How a function of the library waits, by the function that is called.
waits: Final[dict[Any, Callable[..., Steps]]] = {}
# What a context manager waits for when it is entered, by its type.
enters: Final[dict[type, Callable[[Any], Steps]]] = {}
_made: Final[dict[types.CodeType, types.CodeType | None]] = {}
_trees: Final[dict[str, ast.Module | None]] = {}
_may: Final[dict[types.CodeType, tuple[int, bool]]] = {}
_names: Final[dict[int, tuple[int, frozenset[str]]]] = {}


class Stopped:
    """The result of a call that raised `StopIteration`, which a generator cannot raise."""

    def __init__(self, error: StopIteration) -> None:
        self.error = error


def value(found: Any) -> Any:
    """Returns the value of a call, or raises what it raised."""
    if type(found) is Stopped:
        raise found.error
    return found


def call(function: Any, /, *args: Any, **kwargs: Any) -> Steps:
    """Calls `function`; yields whatever it waits for."""
    while type(function) is functools.partial:
        args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
        function = function.func
    if type(function) is types.MethodType:
        args = (function.__self__, *args)
        function = function.__func__
    steps = steps_of(function)
    if steps is None:
        try:
            return function(*args, **kwargs)
        except StopIteration as error:
            return Stopped(error)
    return (yield from steps(*args, **kwargs))


class Going:
    """A call that can be suspended and resumed."""

    def __init__(self, steps: Steps, context: contextvars.Context) -> None:
        self._steps, self._context = steps, context
        self._request: Request | None = None
        self.value: Any = None

    def due(self) -> float:
        """Returns how long it is until it can resume."""
        return 0.0 if self._request is None else self._request.due()

    def go_on(self) -> bool:
        """Runs to the next wait; returns false if the call has ended, with `value`."""
        try:
            if self._request is None:
                self._request = self._context.run(next, self._steps)
            else:
                is_met = self._request.is_met()
                self._request = self._context.run(self._steps.send, is_met)
        except StopIteration as end:
            self.value = end.value
        else:
            return True
        self.value = value(self.value)
        return False


def begin(
    function: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
) -> Going | None:
    """Returns a call that can be suspended; `None` if the function cannot."""
    context = contextvars.Context()
    found = _first(function, args, dict(kwargs or {}))
    if found is None:
        return None
    steps, own = found
    return Going(steps, own or context)


def _first(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Steps, contextvars.Context | None] | None:
    context = None
    while True:
        if isinstance(function, functools.partial):
            args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
            function = function.func
        elif type(function) is types.MethodType:
            args, function = (function.__self__, *args), function.__func__
        elif isinstance(getattr(function, "__self__", None), contextvars.Context) and args:
            # As in `asyncio.to_thread`.
            context, function, args = function.__self__, args[0], args[1:]
        else:
            break
    steps = steps_of(function, is_first=True)
    return None if steps is None else (steps(*args, **kwargs), context)


def call_first(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Steps:
    """Calls the target of a thread, as `call` does."""
    found = _first(function, args, kwargs)
    if found is None or found[1] is not None:
        try:
            return function(*args, **kwargs)
        except StopIteration as error:
            return Stopped(error)
    return (yield from found[0])


def enter(manager: Any) -> Steps:
    """Waits until `with` can enter `manager` at once."""
    wait = enters.get(type(manager))
    if wait is not None:
        yield from wait(manager)
    return manager


def steps_of(function: Any, is_first: bool = False) -> Callable[..., Steps] | None:
    """Returns the function to call instead, which can be suspended; `None` if there is none."""
    if type(function) is not types.FunctionType:
        return None
    known = waits.get(function)
    if known is not None:
        return known
    code = function.__code__
    if code not in _made:
        if not (is_first or _may_wait(function)):
            return None
        _made[code] = _compile(function)
    found = _made[code]
    return None if found is None else _with_cells(function, found)


_HELPERS: Final = (call, enter, value, StopIteration, Stopped)


def _with_cells(function: types.FunctionType, code: types.CodeType) -> Callable[..., Steps]:
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cells |= {name: types.CellType(each) for name, each in zip(_OWN, _HELPERS, strict=True)}
    closure = tuple(cells[name] for name in code.co_freevars)
    name, defaults = function.__name__, function.__defaults__
    made = types.FunctionType(code, function.__globals__, name, defaults, closure)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _mentioned(code: types.CodeType) -> set[str]:
    found = {*code.co_names, *code.co_varnames, *code.co_freevars}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _mentioned(constant)
    return found


def _is_of_the_library(function: types.FunctionType) -> bool:
    root = (function.__module__ or "").partition(".")[0]
    return root != "__main__" and (root in sys.stdlib_module_names or root == "sandbox_net")


def _may_wait(function: types.FunctionType) -> bool:
    code, module = function.__code__, function.__globals__
    size, found = _may.get(code, (0, False))
    if size != len(module):  # a script may define more functions later
        found = not _is_of_the_library(function) and (
            not _waiting_names(module).isdisjoint(_mentioned(code)) or _calls_a_variable(function)
        )
        _may[code] = (len(module), found)
    return found


def _calls_a_variable(function: types.FunctionType) -> bool:
    """Whether it calls an argument, which may wait; only in files that are read anyway."""
    code = function.__code__
    if code.co_filename not in _trees or not (found := _find(function)):
        return False
    variables = {*code.co_varnames, *code.co_freevars}
    calls = (each.func for each in ast.walk(found[0]) if isinstance(each, ast.Call))
    return any(isinstance(each, ast.Name) and each.id in variables for each in calls)


def _waiting_names(module: dict[str, Any]) -> frozenset[str]:
    """Returns the names in a module that stand for what may wait, including such functions."""
    size, found = _names.get(id(module), (0, frozenset()))
    if size != len(module):
        _names[id(module)] = (len(module), frozenset(_WAITS))
        known = set(_WAITS)
        if not _OF_THREADS.isdisjoint(module):
            known |= _MAY_WAIT
        mentioned = list(_functions_of(module))
        size = 0
        while size != len(known):
            size = len(known)
            known |= {name for name, names in mentioned if not known.isdisjoint(names)}
        found = frozenset(known)
        _names[id(module)] = (len(module), found)
    return found


def _functions_of(module: dict[str, Any]) -> Generator[tuple[str, set[str]]]:
    for name, value in tuple(module.items()):
        if isinstance(value, types.FunctionType):
            of_another = value.__globals__ is not module
            if of_another and not _is_of_the_library(value) and _may_wait(value):
                yield name, set(_WAITS)
            else:
                yield name, _mentioned(value.__code__)
        elif isinstance(value, type) and value.__module__ == module.get("__name__"):
            for attribute, member in tuple(vars(value).items()):
                plain = getattr(member, "__func__", member)
                if isinstance(plain, types.FunctionType):
                    yield attribute, _mentioned(plain.__code__)


def _compile(function: types.FunctionType) -> types.CodeType | None:
    """Compiles the function that can be suspended; `None` if that is not possible."""
    code = function.__code__
    if code.co_flags & _NO_PLAIN_FUNCTION or _is_of_the_library(function):
        return None
    try:
        found = _find(function)
        if found is None:
            return None
        node, owner = found
        # The source has to be what runs: the file may have changed.
        same = _code_of(code, node, owner)
        if same is None or (same.co_code, same.co_names) != (code.co_code, code.co_names):
            return None
        made = _code_of(code, _generator(code, node), owner)
    except (SyntaxError, ValueError, RecursionError, OSError):
        return None
    if made is None or not made.co_flags & _GENERATOR:
        return None
    return made.replace(co_name=code.co_name, co_qualname=code.co_qualname)


def _find(function: types.FunctionType) -> tuple[_Defined, str | None] | None:
    """Returns the function's definition, without what concerns its caller, and its class."""
    code = function.__code__
    if code.co_filename not in _trees:
        lines = linecache.getlines(code.co_filename, function.__globals__)
        _trees[code.co_filename] = ast.parse("".join(lines)) if lines else None
    tree = _trees[code.co_filename]
    found = [] if tree is None else list(_definitions(tree, None, code))
    if len(found) != 1:
        return None
    node, owner = copy.deepcopy(found[0])
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    for argument in (*every, arguments.vararg, arguments.kwarg):
        if argument is not None:
            argument.annotation = None
    nothing = ast.Constant(None)
    arguments.defaults = [nothing for _ in arguments.defaults]
    arguments.kw_defaults = [each and nothing for each in arguments.kw_defaults]
    if isinstance(node, ast.FunctionDef):
        node.decorator_list, node.returns = [], None
        if hasattr(node, "type_params"):
            node.type_params = []
    return node, owner


def _definitions(
    node: ast.AST, owner: str | None, code: types.CodeType
) -> Generator[tuple[_Defined, str | None]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef) and child.name == code.co_name:
            first = min([child.lineno, *(each.lineno for each in child.decorator_list)])
            if first == code.co_firstlineno:
                yield child, owner
        elif (
            isinstance(child, ast.Lambda)
            and code.co_name == "<lambda>"
            and child.lineno == code.co_firstlineno
        ):
            yield child, owner
        inner = child.name if isinstance(child, ast.ClassDef) else owner
        yield from _definitions(child, inner, code)


def _code_of(code: types.CodeType, node: _Defined, owner: str | None) -> types.CodeType | None:
    """Compiles a function inside the scopes that surround it."""
    name = node.name if isinstance(node, ast.FunctionDef) else "<lambda>"
    inner: Any = node if isinstance(node, ast.FunctionDef) else ast.Expr(node)
    module: Any = ast.parse("def around():\n pass" if owner is None else _WITH_CLASS)
    around = module.body[0]
    if owner is None:
        around.body = [inner]
    else:
        around.body[0].name, around.body[0].body = owner, [inner]
    outer = [name for name in (*code.co_freevars, *_OWN) if name != "__class__"]
    targets: list[ast.expr] = [ast.Name(name, ast.Store()) for name in outer]
    around.body.insert(0, ast.Assign(targets, ast.Constant(None)))
    # The code of `name.attribute()` differs if the module imports the name.
    names = [ast.alias(name) for name in _imported(_trees[code.co_filename])]
    if names:
        module.body.insert(0, ast.Import(names))
    ast.fix_missing_locations(module)
    flags = code.co_flags & __future__.annotations.compiler_flag
    found: Any = compile(module, code.co_filename, "exec", flags, dont_inherit=True)
    for part in ("around", *([] if owner is None else [owner]), name):
        codes = [each for each in found.co_consts if isinstance(each, types.CodeType)]
        found = next((each for each in codes if each.co_name == part), None)
        if found is None:
            return None
    return found  # type: ignore[no-any-return]


def _imported(node: ast.AST | None) -> set[str]:
    if node is None or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return set()
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = {(each.asname or each.name).partition(".")[0] for each in node.names}
        return names - {"*"}
    return set().union(*map(_imported, ast.iter_child_nodes(node)))


def _generator(code: types.CodeType, node: _Defined) -> ast.FunctionDef:
    """Rewrites the definition as that of a generator, which yields wherever it waits."""
    body: Any = node.body if isinstance(node, ast.FunctionDef) else [ast.Return(node.body)]
    made: Any = ast.parse(_FUNCTION).body[0]
    made.args = node.args
    made.body[0].body = [part for statement in body for part in _Calls().parts(statement)]
    ast.copy_location(made, node)
    return made  # type: ignore[no-any-return]


class _Calls(ast.NodeTransformer):
    """Rewrites the calls of a function so that they can be suspended."""

    def parts(self, statement: ast.stmt) -> list[ast.stmt]:
        """Returns what replaces a statement."""
        found = self.visit(statement)
        return found if isinstance(found, list) else [found]

    def _leave(self, node: Any) -> Any:
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _leave
    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _leave

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        function = node.func
        if isinstance(function, ast.Name) and function.id in _BUILTINS:
            return node
        if isinstance(function, ast.Attribute) and function.attr in _NEVER_WAIT:
            return node
        return self._call(node, _CALL, [function, *node.args], node.keywords)

    def visit_With(self, node: ast.With) -> ast.With:
        self.generic_visit(node)
        for item in node.items:
            item.context_expr = self._call(item.context_expr, _ENTER, [item.context_expr], [])
        return node

    def visit_For(self, node: ast.For) -> Any:
        """Rewrites `for x in iter(f, end)`, which calls `f` in C, so that the loop calls `f`."""
        made = node.iter
        self.generic_visit(node)
        is_iter = isinstance(made, ast.Call) and getattr(made.func, "id", None) == "iter"
        if not (is_iter and isinstance(made, ast.Call) and len(made.args) == 2):
            return node
        number = f"{node.lineno}_{node.col_offset}"
        text = _LOOP.format(
            f=f"{_CALL}_f_{number}",
            end=f"{_CALL}_end_{number}",
            item=f"{_CALL}_item_{number}",
            call=_CALL,
            value=_VALUE,
        )
        function, end, loop = found = ast.parse(text).body
        for part in (part for each in found for part in ast.walk(each)):
            ast.copy_location(part, node)
        function.value, end.value = made.args  # type: ignore[attr-defined]
        loop.body[0].targets = [node.target]  # type: ignore[attr-defined]
        loop.body += node.body  # type: ignore[attr-defined]
        loop.orelse = node.orelse  # type: ignore[attr-defined]
        return found

    def _call(self, place: ast.expr, name: str, args: Any, keywords: Any) -> ast.expr:
        called = ast.copy_location(ast.Call(ast.Name(name, ast.Load()), args, keywords), place)
        found = ast.copy_location(ast.YieldFrom(called), place)
        value = ast.copy_location(ast.Name(_VALUE, ast.Load()), place)
        return ast.copy_location(ast.Call(value, [found], []), place)
