"""Makes the host keep as much as possible, for a peer that does not answer."""

import contextlib
import socket
import sys

port = int(sys.argv[1])
head = b"GET /silent HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % port
head += b"".join(b"x%d: y\r\n" % number for number in range(900)) + b"\r\n"
while True:
    held: list[socket.socket] = []
    for _ in range(400):
        with contextlib.suppress(OSError):
            one = socket.create_connection(("127.0.0.1", port), 5)
            one.sendall(head)
            held.append(one)
    for one in held:
        one.close()
