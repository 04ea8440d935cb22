"""Elements of DER (X.690).

They are read here because the standard library has no parser and the shim uses no packages.
"""

from collections.abc import Iterator
from typing import NamedTuple


class Node(NamedTuple):
    """One element of DER: its tag and its contents."""

    tag: int
    data: bytes

    def children(self) -> list["Node"]:
        """Returns the elements inside."""
        return list(read(self.data))


def read(data: bytes) -> Iterator[Node]:
    """Returns the elements in `data`.

    Raises:
        ValueError: it is not DER.
    """
    at = 0
    while at < len(data):
        if len(data) - at < 2:
            raise ValueError("a certificate is cut short")
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > len(data):
            raise ValueError("a certificate is cut short")
        yield Node(tag, data[at : at + length])
        at += length


def oid(data: bytes) -> str:
    """Returns an object identifier as numbers with dots."""
    numbers: list[int] = []
    number = 0
    for byte in data:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    if not numbers:
        return ""
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - first * 40, *numbers[1:])))
