"""Views of objects that hold bytes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer as Buffer
else:
    Buffer = object  # `collections.abc.Buffer` came with Python 3.12


def bytes_view(data: Buffer) -> memoryview:
    """Returns `data` as a view of bytes.

    Raises:
        TypeError: it is not a bytes-like object, with CPython's text.
        BufferError: its bytes are not contiguous.
    """
    try:
        view = memoryview(data)
    except TypeError:
        kind = "NoneType" if data is None else type(data).__name__
        raise TypeError(f"a bytes-like object is required, not '{kind}'") from None
    if not view.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


def writable_view(buffer: Buffer, call: str) -> memoryview:
    """Returns `buffer` as a view that `call` may write to."""
    try:
        view = memoryview(buffer)
    except TypeError:
        view = memoryview(b"")
    if view.readonly:
        kind = type(buffer).__name__
        raise TypeError(f"{call}() argument 1 must be read-write bytes-like object, not {kind}")
    return bytes_view(view)
