"""``asyncio`` alone. Arguments: base URL of the server, base URL of a port without one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
import urllib.parse
from collections.abc import Coroutine
from typing import Any

from report import attempt, pattern

URL, NOBODY = (urllib.parse.urlsplit(url) for url in sys.argv[1:3])
IS_TLS = URL.scheme == "https"


def request(path: str, *fields: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", f"Host: {URL.netloc}", *fields, "", "")).encode()


def context() -> ssl.SSLContext | None:
    return ssl.create_default_context() if IS_TLS else None


async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(URL.hostname, URL.port, ssl=context())


async def read_answer(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """The status line of an answer and its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
    body = await reader.readexactly(int(length.split(":")[1]))
    return head.split("\r\n")[0].upper(), body


async def get(path: str) -> tuple[str, bytes]:
    reader, writer = await connect()
    writer.write(request(path))
    answer = await read_answer(reader)
    writer.close()
    await writer.wait_closed()
    return answer


async def streams() -> object:
    status, body = await get("/bytes/70000")
    return [status, body == pattern(70_000)]


async def one_after_the_other() -> object:
    reader, writer = await connect()
    answers = []
    for path in ("/status/200", "/status/404", "/bytes/3"):
        writer.write(request(path))
        answers.append((await read_answer(reader))[0])
    writer.close()
    await writer.wait_closed()
    return answers


async def together() -> object:
    answers = await asyncio.gather(*(get(f"/bytes/{n}") for n in range(20)))
    return [len(body) for _, body in answers]


async def uploads() -> object:
    reader, writer = await connect()
    body = pattern(300_000)
    head = f"POST /echo HTTP/1.1\r\nHost: {URL.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode())
    for at in range(0, len(body), 10_000):
        writer.write(body[at : at + 10_000])
        await writer.drain()
    status, echoed = await read_answer(reader)
    writer.close()
    return [status, echoed == body]


async def the_end() -> object:
    reader, writer = await connect()
    writer.write(request("/status/200", "Connection: close"))
    everything = await reader.read()
    at_end = reader.at_eof()
    writer.close()
    return [everything.endswith(b"status 200\n"), at_end]


class Collector(asyncio.Protocol):
    """A protocol that records its events, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.data = b""
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.told.append("made")
        assert isinstance(transport, asyncio.Transport)
        transport.write(request("/status/200", "Connection: close"))

    def data_received(self, data: bytes) -> None:
        if self.told[-1] != "data":
            self.told.append("data")
        self.data += data

    def eof_received(self) -> None:
        self.told.append("eof")

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append(f"lost {error!r}")
        self.over.set_result(None)


async def protocols() -> object:
    loop = asyncio.get_running_loop()
    _, collector = await loop.create_connection(Collector, URL.hostname, URL.port, ssl=context())
    await collector.over
    return [collector.told, collector.data.endswith(b"status 200\n")]


async def a_socket_of_ones_own() -> object:
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    await loop.sock_connect(sock, (socket.gethostbyname(str(URL.hostname)), URL.port))
    name = URL.hostname if IS_TLS else None
    transport, collector = await loop.create_connection(
        Collector, sock=sock, ssl=context(), server_hostname=name
    )
    await collector.over
    return [collector.told, transport.get_extra_info("peername")[1] == URL.port]


async def socket_calls() -> object:
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, (URL.hostname, URL.port))
        await loop.sock_sendall(sock, request("/status/200"))
        received = await loop.sock_recv(sock, 12)
        buffer = bytearray(3)
        count = await loop.sock_recv_into(sock, buffer)
        return [received.decode(), bytes(buffer[:count]).decode()]


async def upgrading() -> object:
    reader, writer = await asyncio.open_connection(URL.hostname, URL.port)
    await writer.start_tls(ssl.create_default_context(), server_hostname=URL.hostname)
    writer.write(request("/status/200"))
    status, _ = await read_answer(reader)
    writer.close()
    return status


async def session() -> object:
    _, writer = await connect()
    told = writer.get_extra_info
    certificate = told("peercert")
    names = sorted(value for kind, value in certificate["subjectAltName"] if kind == "DNS")
    version = told("ssl_object").version()
    sni = told("ssl_object").server_hostname
    writer.close()
    return [version, told("cipher")[0], names, sni == URL.hostname, told("compression")]


async def timers() -> object:
    loop = asyncio.get_running_loop()
    order: list[str] = []
    loop.call_later(0.02, order.append, "later")
    loop.call_later(0.01, order.append, "sooner")
    loop.call_soon(order.append, "soon")
    await asyncio.sleep(0.03)
    return order


async def timeouts() -> object:
    outcomes = []
    for wait in (lambda: asyncio.wait_for(get("/slow"), 0.05), lambda: _within(get("/slow"))):
        try:
            await wait()
        except TimeoutError as error:
            outcomes.append(type(error).__name__)
    return outcomes


async def _within(coroutine: Coroutine[Any, Any, Any]) -> None:
    async with asyncio.timeout(0.05):
        await coroutine


async def cancelling() -> object:
    task = asyncio.create_task(get("/slow"))
    await asyncio.sleep(0.02)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return [task.cancelled(), (await get("/status/200"))[0]]


async def executors() -> object:
    loop = asyncio.get_running_loop()
    return [await asyncio.to_thread(pow, 2, 5), await loop.run_in_executor(None, len, "four")]


async def lookups() -> object:
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo("127.0.0.1", URL.port, type=socket.SOCK_STREAM)
    name = await loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST)
    return [[[info[0].name, info[1].name, info[2], *info[3:]] for info in infos], name]


async def nobody_listens() -> object:
    await asyncio.open_connection(NOBODY.hostname, NOBODY.port)


async def no_such_name() -> object:
    await asyncio.open_connection("no-such-name.invalid", 80)


def run(case: str, coroutine: Coroutine[Any, Any, object]) -> None:
    attempt(case, asyncio.run, coroutine)


run("streams", streams())
run("one after the other", one_after_the_other())
run("together", together())
run("upload", uploads())
run("the end", the_end())
run("protocol", protocols())
run("a socket of one's own", a_socket_of_ones_own())
run("timers", timers())
run("timeouts", timeouts())
run("cancelling", cancelling())
run("executors", executors())
run("lookups", lookups())
run("nobody listens", nobody_listens())
run("no such name", no_such_name())
if IS_TLS:
    run("session", session())
    run("upgrade", upgrading())
else:
    run("socket calls", socket_calls())
