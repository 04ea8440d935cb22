"""Makes nested directories, files without end, and a large sparse file."""

import contextlib
import os

while True:
    path = "/tmp/d"
    with contextlib.suppress(OSError):
        while len(path) < 3000:
            os.mkdir(path)
            path += "/d"
    with contextlib.suppress(OSError), open("/home/sparse", "wb") as file:
        file.truncate(1 << 40)
    with contextlib.suppress(OSError), open("/home/large", "wb") as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    for number in range(2000):
        with contextlib.suppress(OSError), open(f"/tmp/f{number}", "wb") as file:
            file.write(b"x")
    os.chdir("/home")
    for name in os.listdir("/home"):
        with contextlib.suppress(OSError):
            os.unlink(name)
