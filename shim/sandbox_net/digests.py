"""`hashlib.pbkdf2_hmac` and `hashlib.scrypt`, with the same results, without OpenSSL."""

import hashlib
import hmac
import operator
import struct
from typing import Any, Final

_MAX: Final = (1 << 31) - 1


def add() -> None:
    """Adds what is missing."""
    for name, function in (("pbkdf2_hmac", pbkdf2_hmac), ("scrypt", scrypt)):
        if not hasattr(hashlib, name):
            setattr(hashlib, name, function)
            hashlib.__all__ = (*hashlib.__all__, name)  # type: ignore[assignment]


def pbkdf2_hmac(
    hash_name: str, password: Any, salt: Any, iterations: int, dklen: int | None = None
) -> bytes:
    """Password based key derivation (PKCS #5 v2.0) with HMAC."""
    if not isinstance(hash_name, str):
        kind = type(hash_name).__name__
        raise TypeError(f"pbkdf2_hmac() argument 'hash_name' must be str, not {kind}")
    inner, outer = hashlib.new(hash_name), hashlib.new(hash_name)
    password, salt = bytes(memoryview(password)), bytes(memoryview(salt))
    size = inner.block_size
    if len(password) > size:
        password = hashlib.new(hash_name, password).digest()
    password = password.ljust(size, b"\0")
    inner.update(password.translate(hmac.trans_36))
    outer.update(password.translate(hmac.trans_5C))
    if iterations < 1:
        raise ValueError("iteration value must be greater than 0.")
    if iterations > _MAX:
        raise OverflowError("iteration value is too great.")
    if dklen is None:
        dklen = outer.digest_size
    if dklen < 1:
        raise ValueError("key length must be greater than 0.")
    if dklen > _MAX:
        raise OverflowError("key length is too great.")

    def keyed(message: bytes) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(message)
        second.update(first.digest())
        return second.digest()

    key, block, width = b"", 1, inner.digest_size
    while len(key) < dklen:
        part = keyed(salt + block.to_bytes(4, "big"))
        value = int.from_bytes(part, "big")
        for _ in range(iterations - 1):
            part = keyed(part)
            value ^= int.from_bytes(part, "big")
        key += value.to_bytes(width, "big")
        block += 1
    return key[:dklen]


def scrypt(
    password: Any, *, salt: Any, n: int, r: int, p: int, maxmem: int = 0, dklen: int = 64
) -> bytes:
    """scrypt password-based key derivation function (RFC 7914)."""
    password, salt = bytes(memoryview(password)), bytes(memoryview(salt))
    n, r, p = operator.index(n), operator.index(r), operator.index(p)
    if n < 2 or n & (n - 1):
        raise ValueError("n must be a power of 2.")
    if not 0 <= maxmem <= _MAX:
        raise ValueError(f"maxmem must be positive and smaller than {_MAX}")
    if not 0 < dklen <= _MAX:
        raise ValueError(f"dklen must be greater than 0 and smaller than {_MAX}")
    limit = maxmem or 32 << 20
    if r < 1 or p < 1 or p * r >= 1 << 30 or 128 * r * (n + p + 2) > limit:
        raise ValueError("Invalid parameter combination for n, r, p, maxmem.")
    blocks = pbkdf2_hmac("sha256", password, salt, 1, p * 128 * r)
    size = 128 * r
    mixed = b"".join(_mix(blocks[i * size : (i + 1) * size], n, r) for i in range(p))
    return pbkdf2_hmac("sha256", password, mixed, 1, dklen)


# The words of a block of 64 bytes are in four numbers, along the diagonals of Salsa20's square.
# So each step is one operation on four words, each in the lower half of a lane of 64 bits.
_DIAGONALS: Final = ((0, 5, 10, 15), (4, 9, 14, 3), (8, 13, 2, 7), (12, 1, 6, 11))
_LANE: Final = 64
_LOW: Final = sum(0xFFFFFFFF << _LANE * lane for lane in range(4))
_ALL: Final = (1 << 4 * _LANE) - 1
_WORDS: Final = struct.Struct("<16I")

_Block = tuple[int, int, int, int]


def _load(block: bytes) -> _Block:
    words = _WORDS.unpack(block)
    a, b, c, d = (
        sum(words[index] << _LANE * lane for lane, index in enumerate(diagonal))
        for diagonal in _DIAGONALS
    )
    return (a, b, c, d)


def _store(block: _Block) -> bytes:
    words = [0] * 16
    for diagonal, number in zip(_DIAGONALS, block, strict=True):
        for lane, index in enumerate(diagonal):
            words[index] = number >> _LANE * lane & 0xFFFFFFFF
    return _WORDS.pack(*words)


def _mix(block: bytes, n: int, r: int) -> bytes:
    """scryptROMix of RFC 7914."""
    blocks = [_load(block[i : i + 64]) for i in range(0, 128 * r, 64)]
    kept = []
    for _ in range(n):
        kept.append(blocks)
        blocks = _mix_blocks(blocks)
    for _ in range(n):
        other = kept[blocks[-1][0] & (n - 1)]
        blocks = _mix_blocks(
            [
                (a ^ e, b ^ f, c ^ g, d ^ h)
                for (a, b, c, d), (e, f, g, h) in zip(blocks, other, strict=True)
            ]
        )
    return b"".join(map(_store, blocks))


def _mix_blocks(blocks: list[_Block]) -> list[_Block]:
    """scryptBlockMix of RFC 7914."""
    a, b, c, d = blocks[-1]
    mixed = []
    for e, f, g, h in blocks:
        a, b, c, d = _salsa(a ^ e, b ^ f, c ^ g, d ^ h)
        mixed.append((a, b, c, d))
    return mixed[::2] + mixed[1::2]


def _salsa(a: int, b: int, c: int, d: int, low: int = _LOW, every: int = _ALL) -> _Block:
    """Salsa20/8."""
    first = (a, b, c, d)
    for _ in range(4):
        t = (a + d & low) << 7
        b ^= (t | t >> 32) & low
        t = (b + a & low) << 9
        c ^= (t | t >> 32) & low
        t = (c + b & low) << 13
        d ^= (t | t >> 32) & low
        t = (d + c & low) << 18
        a ^= (t | t >> 32) & low
        b = (b << 64 | b >> 192) & every
        c = (c << 128 | c >> 128) & every
        d = (d << 192 | d >> 64) & every
        t = (a + b & low) << 7
        d ^= (t | t >> 32) & low
        t = (d + a & low) << 9
        c ^= (t | t >> 32) & low
        t = (c + d & low) << 13
        b ^= (t | t >> 32) & low
        t = (b + c & low) << 18
        a ^= (t | t >> 32) & low
        b = (b << 192 | b >> 64) & every
        c = (c << 128 | c >> 128) & every
        d = (d << 64 | d >> 192) & every
    return (a + first[0] & low, b + first[1] & low, c + first[2] & low, d + first[3] & low)
