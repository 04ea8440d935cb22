"""`mmap` without the system call: what a program reads through it is a copy in its memory.

That is all the same to who only reads, or whose changes are private. A mapping that writes to its
file is refused: nothing here would see a store, and no other mapping would see it either.
"""

import errno
import io
import os

error = OSError
PAGESIZE = ALLOCATIONGRANULARITY = 65536
ACCESS_DEFAULT, ACCESS_READ, ACCESS_WRITE, ACCESS_COPY = range(4)
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
MAP_SHARED, MAP_PRIVATE, MAP_ANON, MAP_ANONYMOUS = 1, 2, 32, 32

_REFUSED = (
    "sandbox-net cannot map a file for writing: open it and write to it, or map it with "
    "ACCESS_READ, or with ACCESS_COPY for changes that stay in memory"
)


class mmap:
    """The bytes of a file, from `offset` on, or `length` new ones where `fileno` is -1."""

    def __init__(
        self,
        fileno: int,
        length: int,
        flags: int = MAP_SHARED,
        prot: int = PROT_READ | PROT_WRITE,
        access: int = ACCESS_DEFAULT,
        offset: int = 0,
        *,
        trackfd: bool = True,
    ) -> None:
        if length < 0:
            raise OverflowError("memory mapped length must be positive")
        if offset < 0:
            raise OverflowError("memory mapped offset must be positive")
        if offset % ALLOCATIONGRANULARITY:
            raise OSError(errno.EINVAL, "Invalid argument")
        if fileno == -1:
            if length == 0:
                raise OSError(errno.EINVAL, "Invalid argument")
            contents = bytearray(length)
        else:
            shared = access == ACCESS_DEFAULT and not flags & MAP_PRIVATE and prot & PROT_WRITE
            if access == ACCESS_WRITE or shared:
                raise PermissionError(errno.EACCES, _REFUSED)
            contents = _read(fileno, length, offset)
        readonly = access == ACCESS_READ or (access == ACCESS_DEFAULT and not prot & PROT_WRITE)
        self._file: io.BytesIO | None = io.BytesIO(contents)
        self._readonly = readonly

    def __buffer__(self, flags: int, /) -> memoryview:
        view = self._open().getbuffer()
        return view.toreadonly() if self._readonly else view

    def _open(self) -> io.BytesIO:
        if self._file is None:
            raise ValueError("mmap closed or invalid")
        return self._file

    def _view(self) -> memoryview:
        return self.__buffer__(0)

    def __len__(self) -> int:
        return len(self._open().getbuffer())

    def __getitem__(self, key):
        found = self._view()[key]
        return found if isinstance(found, int) else found.tobytes()

    def __setitem__(self, key, value) -> None:
        self._check_writable()
        self._view()[key] = value

    def __iter__(self):
        # As the one of C, though an index gives a number.
        return (self[at : at + 1] for at in range(len(self)))

    def __enter__(self):
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_writable(self) -> None:
        if self._readonly:
            raise TypeError("mmap can't modify a readonly memory map.")

    @property
    def closed(self) -> bool:
        return self._file is None

    def close(self) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except BufferError:
                raise BufferError("cannot close exported pointers exist") from None
            self._file = None

    def read(self, n: int | None = None) -> bytes:
        return self._open().read(n)

    def readline(self) -> bytes:
        return self._open().readline()

    def read_byte(self) -> int:
        byte = self._open().read(1)
        if not byte:
            raise ValueError("read byte out of range")
        return byte[0]

    def seek(self, pos: int, whence: int = 0) -> int:
        file = self._open()
        start = (0, file.tell(), len(self))[whence]
        if not 0 <= start + pos <= len(self):
            raise ValueError("seek out of range")
        return file.seek(start + pos)

    def tell(self) -> int:
        return self._open().tell()

    def size(self) -> int:
        return len(self)

    def seekable(self) -> bool:
        return True

    def write(self, data) -> int:
        self._check_writable()
        if self.tell() + len(data) > len(self):
            raise ValueError("data out of range")
        return self._open().write(data)

    def write_byte(self, byte: int) -> None:
        self.write(bytes([byte]))

    def find(self, sub, start: int | None = None, end: int | None = None) -> int:
        return self._search("find", sub, start, end)

    def rfind(self, sub, start: int | None = None, end: int | None = None) -> int:
        return self._search("rfind", sub, start, end)

    def _search(self, how: str, sub, start: int | None, end: int | None) -> int:
        contents = self._open().getvalue()
        begin = self.tell() if start is None else start
        return getattr(contents, how)(sub, begin, len(contents) if end is None else end)

    def move(self, dest: int, src: int, count: int) -> None:
        self._check_writable()
        if min(dest, src, count) < 0 or max(dest, src) + count > len(self):
            raise ValueError("source, destination, or count out of range")
        self[dest : dest + count] = self[src : src + count]

    def flush(self, *_: int) -> None:
        self._open()

    def madvise(self, *_: int) -> None:
        self._open()

    def resize(self, newsize: int) -> None:
        raise SystemError("mmap: resizing not available--no mremap()")


def _read(fileno: int, length: int, offset: int) -> bytearray:
    size = os.fstat(fileno).st_size
    if length == 0:
        length = size - offset
        if size == 0:
            raise ValueError("cannot mmap an empty file")
        if length <= 0:
            raise ValueError("mmap offset is greater than file size")
    elif offset + length > size:
        raise ValueError("mmap length is greater than file size")
    contents = bytearray(length)
    done = 0
    while done < length:
        piece = os.pread(fileno, min(length - done, 1 << 20), offset + done)
        if not piece:
            raise ValueError("mmap length is greater than file size")
        contents[done : done + len(piece)] = piece
        done += len(piece)
    return contents
