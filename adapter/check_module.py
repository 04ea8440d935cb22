"""Checks that a WebAssembly module can be linked as the adapter.

`wit-component` refuses adapters with data or element segments, and what an adapter imports becomes
what every component with it imports.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

MOST_BYTES = 64 * 1024

# Custom, types, imports, functions, globals, exports and code; so no data and no elements.
SECTIONS = {0, 1, 2, 3, 6, 7, 10}
CUSTOM = {"name", "producers", "target_features"}
COMPONENT_TYPE = "component-type:"

CLIENT = "sandbox:net/client@0.1.0"
POLL = "wasi:io/poll@0.2.12"
STREAMS = "wasi:io/streams@0.2.12"
IMPORTS = {
    ("env", "memory"),
    ("__main_module__", "wasi_snapshot_preview1#fd_fdstat_get"),
    ("__main_module__", "wasi_snapshot_preview1#fd_read"),
    ("__main_module__", "wasi_snapshot_preview1#fd_write"),
    (CLIENT, "[method]connection.start-tls"),
    (CLIENT, "[method]connection.status"),
    (CLIENT, "[method]connection.subscribe"),
    (CLIENT, "[method]connection.tls"),
    (CLIENT, "[method]exchange.body"),
    (CLIENT, "[method]exchange.continued"),
    (CLIENT, "[method]exchange.failure"),
    (CLIENT, "[method]exchange.finish-body"),
    (CLIENT, "[method]exchange.head"),
    (CLIENT, "[method]exchange.response-body"),
    (CLIENT, "[method]exchange.subscribe"),
    (CLIENT, "[method]exchange.trailers"),
    (CLIENT, "[method]lookup.addresses"),
    (CLIENT, "[method]lookup.status"),
    (CLIENT, "[method]lookup.subscribe"),
    (CLIENT, "[resource-drop]connection"),
    (CLIENT, "[resource-drop]exchange"),
    (CLIENT, "[resource-drop]lookup"),
    (CLIENT, "close"),
    (CLIENT, "connect"),
    (CLIENT, "request"),
    (CLIENT, "resolve"),
    (POLL, "[method]pollable.ready"),
    (POLL, "[resource-drop]pollable"),
    (POLL, "poll"),
    (STREAMS, "[method]input-stream.read"),
    (STREAMS, "[method]input-stream.subscribe"),
    (STREAMS, "[method]output-stream.check-write"),
    (STREAMS, "[method]output-stream.subscribe"),
    (STREAMS, "[method]output-stream.write"),
    (STREAMS, "[resource-drop]input-stream"),
    (STREAMS, "[resource-drop]output-stream"),
    ("wasi:clocks/monotonic-clock@0.2.12", "subscribe-duration"),
    ("wasi:io/error@0.2.12", "[resource-drop]error"),
}
EXPORTS = {"fd_fdstat_get", "fd_read", "fd_write", "cabi_import_realloc"}
# The linker's own, which wit-component leaves out.
LINKER_EXPORTS = {"__data_end", "__heap_base"}


class Reader:
    """Reads the parts of a module's encoding."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        """An unsigned number in LEB128."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def bytes(self) -> bytes:
        """Bytes with their length before them."""
        count = self.number()
        self.at += count
        return self.data[self.at - count : self.at]

    def name(self) -> str:
        return self.bytes().decode()


def sections(module: bytes) -> Iterator[tuple[int, Reader]]:
    """The sections' numbers and contents."""
    reader = Reader(module)
    reader.at = len(b"\0asm\1\0\0\0")
    while reader.at < len(module):
        yield reader.byte(), Reader(reader.bytes())


def imports(section: Reader) -> Iterator[tuple[str, str]]:
    """The imports' modules and names."""
    for _ in range(section.number()):
        yield section.name(), section.name()
        kind = section.byte()
        if kind == 0:  # A function: its type.
            section.number()
        elif kind == 2:  # A memory: its flags and limits.
            for _ in range(2 if section.number() & 1 else 1):
                section.number()
        else:
            raise ValueError(f"an import of kind {kind}")


def exports(section: Reader) -> Iterator[str]:
    """The exports' names."""
    for _ in range(section.number()):
        yield section.name()
        section.byte()
        section.number()


def faults(module: bytes) -> Iterator[str]:
    """Everything that keeps the module from being the adapter."""
    if not module.startswith(b"\0asm\1\0\0\0"):
        yield "it is not a WebAssembly module"
        return
    if len(module) > MOST_BYTES:
        yield f"it has {len(module)} bytes, more than {MOST_BYTES}"
    found: set[tuple[str, str]] = set()
    exported: set[str] = set()
    custom: set[str] = set()
    for number, section in sections(module):
        match number:
            case 0:
                custom.add(section.name())
            case 2:
                found.update(imports(section))
            case 7:
                exported.update(exports(section))
            case _ if number not in SECTIONS:
                yield f"it has a section {number}"
    yield from (f"it does not import {name}" for name in sorted(IMPORTS - found))
    yield from (f"it imports {name}" for name in sorted(found - IMPORTS))
    yield from (f"it does not export {name}" for name in sorted(EXPORTS - exported))
    yield from (f"it exports {name}" for name in sorted(exported - EXPORTS - LINKER_EXPORTS))
    types = {name for name in custom if name.startswith(COMPONENT_TYPE)}
    if len(types) != 1:
        yield f"it has {len(types)} descriptions of its world"
    yield from (f"it has a section {name}" for name in sorted(custom - CUSTOM - types))


def main() -> int:
    """Prints the faults of the module that the command line names."""
    path = Path(sys.argv[1])
    found = list(faults(path.read_bytes()))
    for fault in found:
        print(f"{path}: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
