"""Files that are mapped for reading, or with changes that stay in memory."""

import mmap
import re
import tempfile

from report import attempt, emit

PATH = tempfile.mkdtemp() + "/mapped"
with open(PATH, "wb") as file:
    file.write(b"hello\nworld\n" * 3)


def mapped(length: int = 0, **options: int) -> mmap.mmap:
    with open(PATH, "rb") as file:
        return mmap.mmap(file.fileno(), length, **options)


def set_item(memory: mmap.mmap) -> None:
    memory[0] = 1


with mapped(access=mmap.ACCESS_READ) as memory:
    emit("sizes", [len(memory), memory.size(), memoryview(memory).nbytes])
    emit("items", [memory[0], memory[-1], memory[:5].decode(), memory[::7].decode()])
    emit("found", [memory.find(b"world"), memory.rfind(b"h"), memory.find(b"x"), b"h" in memory])
    emit("searched", re.search(rb"w\w+", memory).span())
    emit("lines", [memory.readline().decode(), memory.read(3).decode(), memory.tell()])
    memory.seek(-2, 2)
    emit("from here", [memory.find(b"h"), memory.find(b"d"), memory.read_byte(), memory.tell()])
    memory.read_byte()
    attempt("read past the end", memory.read_byte)
    attempt("seek past the end", memory.seek, 100)
    attempt("write to what is read", memory.write, b"x")
    attempt("set what is read", set_item, memory)
    emit("bytes", [item.decode() for item in memory][:3])
    emit("readonly", memoryview(memory).readonly)
emit("closed", memory.closed)
attempt("read what is closed", memory.read)

with mapped(access=mmap.ACCESS_COPY) as memory:
    memory[0:1] = b"J"
    memory.seek(1)
    emit("written", memory.write(b"E"))
    memory.move(6, 0, 5)
    memory[5] = 33
    emit("changed", memory[:].decode())
    memory.seek(30)
    attempt("write past the end", memory.write, b"too much")
with open(PATH, "rb") as file:
    emit("the file", file.read().decode())

with mmap.mmap(-1, 8) as memory:
    memory.write(b"new")
    emit("anonymous", list(memory[:4]))
emit("part", mapped(5, access=mmap.ACCESS_READ)[:].decode())
attempt("too long", mapped, 100, access=mmap.ACCESS_READ)
attempt("negative", mapped, -1, access=mmap.ACCESS_READ)
attempt("misplaced", mapped, 1, access=mmap.ACCESS_READ, offset=1)
attempt("with `prot`", lambda: mapped(prot=mmap.PROT_READ)[:1].decode())
attempt("shared", mapped, access=mmap.ACCESS_WRITE)
