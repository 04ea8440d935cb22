"""What attacks share: their targets, and ways to ask a forbidden server."""

import ctypes
import json
import os
import socket
import struct
import subprocess

TARGETS = json.loads(os.environ["TARGETS"])
SECRET = b"forbidden"
HOST = "127.0.0.1"
LIBC = ctypes.CDLL(None, use_errno=True)


def told(connection):
    """Whether the forbidden server answered."""
    connection.settimeout(5)
    return SECRET in connection.recv(64)


def stream(kind=socket.AF_INET):
    return socket.socket(kind, socket.SOCK_STREAM)


def ask_in_child(arguments, **options):
    address = (HOST, TARGETS["tcp"])
    code = f"import socket; print(socket.create_connection({address!r}, 5).recv(64))"
    done = subprocess.run([*arguments, "-c", code], capture_output=True, timeout=60, **options)
    print(done.stderr.decode()[-300:].strip())
    return SECRET in done.stdout


def ask_by_program(arguments):
    done = subprocess.run(arguments, capture_output=True, timeout=60)
    print(done.returncode, done.stdout[-200:], done.stderr[-200:])
    return SECRET in done.stdout


def address_of(port):
    return (
        struct.pack("=H", socket.AF_INET)
        + struct.pack("!H", port)
        + socket.inet_aton(HOST)
        + bytes(8)
    )


def checked(result):
    """The result of a system call, or its error."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def syscall(number, *arguments):
    return checked(
        LIBC.syscall(
            ctypes.c_long(number),
            *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments],
        )
    )
