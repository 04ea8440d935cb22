"""Finds what a snapshot may make immortal: objects whose references CPython then no longer counts.

A count is a write, and in a copy of the snapshot each first write copies a page. Functions, types,
code and constants stay as long as the interpreter anyway.
"""

import gc
import sys
from array import array
from types import (
    BuiltinFunctionType,
    CellType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, Final

_KINDS: Final = frozenset(
    {
        BuiltinFunctionType,
        CellType,
        ClassMethodDescriptorType,
        CodeType,
        FunctionType,
        GetSetDescriptorType,
        MemberDescriptorType,
        MethodDescriptorType,
        ModuleType,
        WrapperDescriptorType,
        bytes,
        classmethod,
        float,
        frozenset,
        int,
        property,
        staticmethod,
        str,
        tuple,
    }
)
_OF_CODE: Final = (
    "co_consts",
    "co_exceptiontable",
    "co_filename",
    "co_linetable",
    "co_name",
    "co_names",
    "co_qualname",
)


# Where the host reads the addresses.
_FILE: Final = "/immortal"


def tell() -> None:
    """Leaves the addresses for the host. It is the last that runs before the snapshot."""
    with open(_FILE, "wb") as file:
        addresses().tofile(file)


def addresses() -> "array[int]":
    """Returns the addresses of the objects, in order: of those that modules reach, which stay."""
    seen: dict[int, Any] = {}
    left: list[Any] = [module for module in sys.modules.values() if module is not None]
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen[id(each)] = each
        left += gc.get_referents(each)
        if type(each) is CodeType:
            left += [getattr(each, name) for name in _OF_CODE]
    found = sorted(number for number, each in seen.items() if _may_be(each))
    return array("I", found)


def _may_be(each: Any) -> bool:
    return type(each) in _KINDS or isinstance(each, type)
