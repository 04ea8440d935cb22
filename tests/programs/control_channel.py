"""Frames that no shim would send. Arguments: the base URL of the HTTP server.

Every case sends something invalid, reports the reply, and then makes a good request.
"""

from __future__ import annotations

import errno
import os
import random
import struct
import sys
import urllib.parse
from collections.abc import Callable

import frames
from frames import (
    CLOSE,
    CONNECT,
    FINISH,
    HEAD,
    POLL,
    READ,
    REQUEST,
    START_TLS,
    STATUS,
    TLS_INFO,
    WRITE,
    call,
    connect_payload,
    frame,
    receive,
    request_payload,
    send,
)
from report import attempt, emit

URL = urllib.parse.urlsplit(sys.argv[1])
HOST, PORT = str(URL.hostname), URL.port or 80
SEED = 20240229
FRAMES = 400


def check(case: str, action: Callable[[], str]) -> None:
    """Report the action's outcome, and whether a good request works after it."""
    attempt(case, lambda: [action(), frames.good_request(HOST, PORT)])


def sent(*buffers: bytes) -> Callable[[], str]:
    """An action that sends one frame."""

    def action() -> str:
        send(*buffers)
        return receive().outcome

    return action


def os_error(call: Callable[[], object]) -> str:
    """The name of the error number that a call raises."""
    try:
        return f"returned {call()!r}"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error.errno))
    except OverflowError as error:
        return type(error).__name__


def malformed() -> None:
    """Frames whose header or length is wrong."""
    good = frame(STATUS, 1)
    for length in (0, 1, 2, 15):
        check(f"frame of {length} bytes", sent(good[:length]))
    check("longer than announced", sent(frame(STATUS, 1, payload=b"xx", length=1)))
    check("shorter than announced", sent(frame(STATUS, 1, payload=b"xx", length=3)))
    for length in (1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF):
        check(f"length {length:#x}", sent(frame(STATUS, 1, length=length)))
    for version in (0, 2, 255):
        check(f"version {version}", sent(frame(STATUS, 1, version=version)))
    for command in (0, 13, 128, 255):
        check(f"command {command}", sent(frame(command)))
    check("flags", sent(frame(STATUS, 1, flags=1)))
    check("too large a payload", sent(frame(REQUEST, 1, payload=bytes(2 << 20))))
    check("text", sent(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))


def foreign_handles() -> None:
    """Handles that never existed, are of another kind, or were closed."""
    start_tls = frames.tls_payload()
    commands = [(STATUS, 0, b""), (START_TLS, 1, start_tls), (TLS_INFO, 0, b"")]
    commands += [(REQUEST, 0, request_payload()), (WRITE, 0, b"x"), (FINISH, 0, b"")]
    commands += [(HEAD, 0, b""), (READ, 10, b""), (CLOSE, 0, b"")]
    for command, arg, payload in commands:
        for handle in (0, 12345, 0xDEADBEEF, 0xFFFFFFFF):
            check(f"command {command} on {handle:#x}", sent(frame(command, handle, arg, payload)))
    polled = struct.pack("<QIBxxx", 0, 0xDEADBEEF, 1)
    check("poll of 0xdeadbeef", sent(frame(POLL, payload=polled)))

    def another_kind() -> str:
        connection = frames.opened(HOST, PORT)
        exchange = frames.requested(connection)
        wrong = [call(HEAD, connection), call(READ, connection, 10), call(STATUS, exchange)]
        wrong += [call(TLS_INFO, exchange), call(REQUEST, exchange, 0, request_payload())]
        call(CLOSE, exchange)
        call(CLOSE, connection)
        return " ".join(sorted({reply.outcome for reply in wrong}))

    def stale() -> str:
        old = frames.opened(HOST, PORT)
        call(CLOSE, old)
        new = [frames.opened(HOST, PORT) for _ in range(3)]
        outcomes = [str(old in new), call(STATUS, old).outcome]
        for connection in new:
            outcomes.append(call(CLOSE, connection).outcome)
        return " ".join(outcomes)

    def closed_twice() -> str:
        connection = frames.opened(HOST, PORT)
        exchange = frames.requested(connection)
        return " ".join(
            call(CLOSE, h).outcome for h in (exchange, exchange, connection, connection)
        )

    def exchange_outlives() -> str:
        connection = frames.opened(HOST, PORT)
        exchange = frames.requested(connection, b"/slow-body")
        frames.status_of(exchange)
        call(CLOSE, connection)
        while (reply := frames.finished(READ, exchange, 100, frames.READABLE)).payload:
            if reply.status == frames.ERROR:
                break
        return f"{reply.outcome} {call(CLOSE, exchange).outcome}"

    check("a handle of another kind", another_kind)
    check("a stale handle", stale)
    check("closed twice", closed_twice)
    check("an exchange after its connection", exchange_outlives)


def out_of_order() -> None:
    """Commands in the wrong order."""

    def with_exchange(action: Callable[[int, int], str], kind: int = 0, size: int = 0) -> str:
        connection = frames.opened(HOST, PORT)
        exchange = frames.requested(connection, b"/upload" if kind else b"/get", kind, size)
        try:
            return action(connection, exchange)
        finally:
            call(CLOSE, exchange)
            call(CLOSE, connection)

    def second_head(_: int, exchange: int) -> str:
        return f"{frames.status_of(exchange)} {call(HEAD, exchange).outcome}"

    def read_after_end(_: int, exchange: int) -> str:
        frames.status_of(exchange)
        frames.body_of(exchange)
        reply = call(READ, exchange, 10)
        return f"{reply.outcome} {len(reply.payload)}"

    def read_before_head(_: int, exchange: int) -> str:
        return call(READ, exchange, 10).outcome

    def read_nothing(_: int, exchange: int) -> str:
        frames.status_of(exchange)
        return call(READ, exchange, 0).outcome

    def second_request(connection: int, _: int) -> str:
        return call(REQUEST, connection, 0, request_payload()).outcome

    def body_of_none(_: int, exchange: int) -> str:
        return f"{call(WRITE, exchange, 0, b'x').outcome} {call(FINISH, exchange).outcome}"

    def finish_twice(_: int, exchange: int) -> str:
        return " ".join(call(FINISH, exchange).outcome for _ in range(2))

    def finish_early(_: int, exchange: int) -> str:
        return call(FINISH, exchange).outcome

    def more_than_announced(_: int, exchange: int) -> str:
        frames.wait(exchange, frames.WRITABLE)
        first = call(WRITE, exchange, 0, b"0123456789")
        if first.status != frames.OK:
            return first.outcome
        return f"{first.value <= 4} {call(FINISH, exchange).outcome}"

    check("second head", lambda: with_exchange(second_head))
    check("read after the end", lambda: with_exchange(read_after_end))
    check("read before the head", lambda: with_exchange(read_before_head))
    check("read of nothing", lambda: with_exchange(read_nothing))
    check("second request before the end of the first", lambda: with_exchange(second_request))
    check("body of a request without one", lambda: with_exchange(body_of_none))
    check("finish twice", lambda: with_exchange(finish_twice, 2))
    check("finish before the announced size", lambda: with_exchange(finish_early, 1, 4))
    check("more than announced", lambda: with_exchange(more_than_announced, 1, 4))


def random_frames() -> None:
    """Random bytes, and frames with a valid header and random bytes; the same in every run."""
    noise = random.Random(SEED)
    outcomes: dict[str, int] = {}
    for number in range(FRAMES):
        payload = noise.randbytes(noise.randrange(200))
        if number % 2:
            command = noise.choice([c for c in range(16) if c != POLL])
            handle = noise.choice([0, 1, 2, 0x10000, noise.getrandbits(32)])
            data = frame(command, handle, noise.choice([0, 1, noise.getrandbits(32)]), payload)
        else:
            data = payload
        send(data)
        outcome = receive().status
        name = {frames.OK: "ok", frames.PENDING: "pending"}.get(outcome, "error")
        outcomes[name] = outcomes.get(name, 0) + 1
    emit("random frames", [outcomes, frames.good_request(HOST, PORT)])


def file_calls() -> None:
    """The channel through the functions of ``os``, and other descriptors."""
    status = frame(STATUS, 77)

    def in_pieces() -> str:
        send(status[:1], status[1:7], b"", status[7:])
        return receive(1).outcome

    def unread() -> str:
        send(frame(CONNECT, 0, PORT, connect_payload("")))
        send(frame(255))
        return receive().outcome

    def written() -> str:
        os.write(frames.CHANNEL, status)
        return receive().outcome

    def only_part_read() -> str:
        send(status)
        os.read(frames.CHANNEL, 3)
        return " ".join([sent(frame(255))(), str(len(os.read(frames.CHANNEL, 9)))])

    def too_many_connections() -> str:
        """Open connections until one is refused, then close all of them."""
        handles = []
        for _ in range(5000):
            reply = call(CONNECT, 0, PORT, connect_payload(HOST))
            if reply.status != frames.OK:
                break
            handles.append(reply.value)
        closed = {call(CLOSE, handle).outcome for handle in handles}
        return f"{reply.outcome} {sorted(closed)}"

    check("in pieces", in_pieces)
    check("unread reply", unread)
    check("os.write", written)
    check("reply read in part", only_part_read)
    check("too many connections", too_many_connections)
    check("fd -3 written", lambda: os_error(lambda: os.write(-3, b"x")))
    check("fd -3 read", lambda: os_error(lambda: os.read(-3, 8)))
    check("fd -1 written", lambda: os_error(lambda: os.write(-1, b"x")))
    check("fd 2**32-2", lambda: os_error(lambda: os.write(0xFFFFFFFE, b"x")))
    check("fd 2**31-1", lambda: os_error(lambda: os.write(0x7FFFFFFF, b"x")))
    check("truncate", lambda: str(os_error(lambda: os.ftruncate(-2, 1)) != "returned None"))
    check("seek", lambda: str(os_error(lambda: os.lseek(-2, 0, 0)).startswith("E")))
    os_error(lambda: os.close(-2))
    emit("after os.close", frames.good_request(HOST, PORT))


# `import` alone sends no frame, so nothing was requested yet.
emit("read before a frame", os_error(lambda: os.read(frames.CHANNEL, 10)))
emit("good", frames.good_request(HOST, PORT))
malformed()
foreign_handles()
out_of_order()
random_frames()
file_calls()
