"""Pipes within the process."""

import os
import stat
import threading

reader, writer = os.pipe()
print(os.write(writer, b"hello"), os.read(reader, 3), os.read(reader, 10))
print(stat.S_ISFIFO(os.fstat(reader).st_mode), os.isatty(reader), os.get_inheritable(reader))
os.set_blocking(reader, False)
try:
    os.read(reader, 1)
except BlockingIOError as error:
    print(error.strerror)
os.set_blocking(writer, False)
total = 0
try:
    while True:
        total += os.write(writer, bytes(4096))
except BlockingIOError:
    print(total)
os.close(reader)
try:
    os.write(writer, b"x")
except BrokenPipeError as error:
    print(error.strerror)
os.close(writer)
try:
    os.close(writer)
except OSError as error:
    print(error.strerror)

reader, writer = os.pipe()
with os.fdopen(writer, "w") as text:
    text.write("one\ntwo\n")
with os.fdopen(reader) as lines:
    print(list(lines), lines.closed)

reader, writer = os.pipe()
thread = threading.Thread(target=lambda: (os.write(writer, b"late"), os.close(writer)))
thread.start()
with os.fdopen(reader, "rb") as file:
    print(file.read())
thread.join()

reader, writer = os.pipe()
found = []
thread = threading.Thread(target=lambda: found.append(len(os.fdopen(reader, "rb").read())))
thread.start()
print(os.write(writer, bytes(200_000)), os.close(writer))
thread.join()
print(found)
for call in (lambda: os.read(9999, 1), lambda: os.write(9999, b"")):
    try:
        call()
    except OSError as error:
        print(error.strerror)
