"""Reads hosts as the C functions of `_socket` do, without a query."""

import _socket

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any

AF_INET = _socket.AF_INET
AF_INET6 = getattr(_socket, "AF_INET6", -1)  # type: int

_MAPPED = "::ffff:"
_MAX_NAME = 253
_MAX_LABEL = 63
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_NUMBER_CHARACTERS = frozenset("0123456789abcdefABCDEFxX.")


def host_argument(host: "Any") -> "str":
    """Reads a host as `_socket` does: text goes through IDNA, bytes are taken as they are."""
    if isinstance(host, str):
        try:
            host.encode("ascii")
            encoded = host.encode("ascii")
        except UnicodeError:
            try:
                encoded = host.encode("idna")
            except UnicodeError:
                raise TypeError("encoding of hostname failed") from None
    elif isinstance(host, (bytes, bytearray)):
        encoded = bytes(host)
    else:
        kind = type(host).__name__
        raise TypeError(f"str, bytes or bytearray expected, not {kind}")
    if b"\0" in encoded:
        raise TypeError("host name must not contain null character")
    return encoded.decode("ascii", "surrogateescape")


def parse_literal(text: "str") -> "tuple[int, str] | None":
    """Returns family and address of an address literal; `None` for anything else."""
    if ":" in text:
        address, percent, zone = text.partition("%")
        if percent and not zone:
            return None
        try:
            packed = _socket.inet_pton(AF_INET6, address)
        except (OSError, AttributeError):
            return None
        return AF_INET6, _socket.inet_ntop(AF_INET6, packed)
    # `inet_aton` also reads fewer than four numbers, and octal and hexadecimal ones.
    if not text[:1].isdigit() or not _NUMBER_CHARACTERS.issuperset(text):
        return None
    try:
        return AF_INET, _socket.inet_ntoa(_socket.inet_aton(text))
    except OSError:
        return None


def plain_address(address: "str") -> "str":
    """Returns the IPv4 address inside an IPv6 one: both are the same address."""
    if not address.startswith(_MAPPED):
        return address
    inside = address[len(_MAPPED) :]
    return inside if "." in inside and ":" not in inside else address


def plain_name(name: "str") -> "str":
    """Returns a name in its canonical spelling."""
    name = name.lower()
    return name[:-1] if name.endswith(".") else name


def is_own_address(address: "str") -> "bool":
    """Whether an address literal means this machine itself: loopback, or any address."""
    plain = plain_address(address)
    return plain in ("::1", "::", "0.0.0.0") or plain.startswith("127.")


def is_name(text: "str") -> "bool":
    """Whether `text` can be the name of a host (RFC 1035 section 2.3.4)."""
    name = text[:-1] if text.endswith(".") else text
    if not name or len(name) > _MAX_NAME:
        return False
    return all(
        0 < len(label) <= _MAX_LABEL and _NAME_CHARACTERS.issuperset(label)
        for label in name.split(".")
    )


def is_own_name(text: "str") -> "bool":
    """Whether `text` is a name of the machine itself."""
    name = plain_name(text)
    return name == "localhost" or name == plain_name(_socket.gethostname())
