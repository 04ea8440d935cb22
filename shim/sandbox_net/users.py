"""The one user, who owns all files here, with the number that WASI reports for each of them."""

import types
from collections import namedtuple
from typing import Final

NAME: Final = "sandbox"
ID: Final = 0
HOME: Final = "/home"


class struct_passwd(
    namedtuple("struct_passwd", "pw_name pw_passwd pw_uid pw_gid pw_gecos pw_dir pw_shell")
):
    """An entry of `pwd`."""

    __slots__ = ()


class struct_group(namedtuple("struct_group", "gr_name gr_passwd gr_gid gr_mem")):
    """An entry of `grp`."""

    __slots__ = ()


_USER: Final = struct_passwd(NAME, "x", ID, ID, NAME, HOME, "/bin/sh")
_GROUP: Final = struct_group(NAME, "x", ID, [])


def _by_id(entry: tuple[object, ...], what: str, number: int) -> tuple[object, ...]:
    if not isinstance(number, int):
        raise TypeError(f"{what} should be integer, not {type(number).__name__}")
    if number != ID:
        raise KeyError(
            f"{what}(): {what.removeprefix('get').removesuffix('id')}id not found: {number}"
        )
    return entry


def _by_name(entry: tuple[object, ...], what: str, name: str) -> tuple[object, ...]:
    if not isinstance(name, str):
        raise TypeError(f"{what}() argument must be str, not {type(name).__name__}")
    if name != NAME:
        raise KeyError(f"{what}(): name not found: {name!r}")
    return entry


def build_pwd() -> types.ModuleType:
    """The module `pwd`."""
    module = types.ModuleType("pwd", "The one user.")
    vars(module).update(
        struct_passwd=struct_passwd,
        getpwuid=lambda uid, /: _by_id(_USER, "getpwuid", uid),
        getpwnam=lambda name, /: _by_name(_USER, "getpwnam", name),
        getpwall=lambda: [_USER],
    )
    return module


def build_grp() -> types.ModuleType:
    """The module `grp`."""
    module = types.ModuleType("grp", "The one group.")
    vars(module).update(
        struct_group=struct_group,
        getgrgid=lambda id: _by_id(_GROUP, "getgrgid", id),
        getgrnam=lambda name: _by_name(_GROUP, "getgrnam", name),
        getgrall=lambda: [_GROUP],
    )
    return module
