"""Changes asyncio: its connects are routed without blocking, and refusals are shown.

A transport does not raise the error of a write: it reports it to its protocol, as
`connection_lost(error)`. Protocols turn that into other exceptions, some without the error. Here
those get the error as their context, so that the traceback shows it.
"""

import _socket

from . import connecting, routes, wire
from .errors import is_of_one_host, is_refusal

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any


def change_selector_events(module: "Any") -> "None":
    """Changes `asyncio.selector_events`."""
    loop = module.BaseSelectorEventLoop
    stock = loop.sock_connect

    async def sock_connect(self: "Any", sock: "Any", address: "Any") -> "None":
        """Connects a socket, through the broker unless it is the program's own machine."""
        made = connecting.plan(sock, address)
        if made.direct is not None and not made.hosts:
            await stock(self, sock, made.direct)
            return
        if connecting.connects_directly(sock, made):
            return
        if self._debug and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")
        await _connect(self, stock, sock, made)

    loop.sock_connect = sock_connect
    transport = module._SelectorTransport
    stock_lost = transport._call_connection_lost

    def _call_connection_lost(self: "Any", error: "BaseException | None") -> "None":
        _while_handling(error, stock_lost, self, error)

    transport._call_connection_lost = _call_connection_lost


async def _connect(loop: "Any", stock: "Any", sock: "Any", made: "Any") -> "None":
    connecting.require_unconnected(sock)
    failure = None
    try:
        for host in made.hosts:
            failure = await _attempt(loop, stock, sock, made, host, failure)
            if failure is None:
                return
            if not is_of_one_host(failure[0]):
                break
        if failure is not None:
            raise connecting.failure_of(made, failure)
    finally:
        failure = None


async def _attempt(
    loop: "Any",
    stock: "Any",
    sock: "Any",
    made: "Any",
    host: "str",
    earlier: "tuple[Any, ...] | None",
) -> "tuple[Any, ...] | None":
    carrier = connecting.open_carrier(sock)
    done = False
    if carrier is not sock:
        carrier.settimeout(0)
    try:
        await _reach(loop, stock, carrier)
        head = wire.connect_request(host, made.port)
        answer, body = await _exchange(loop, carrier, head)
        if answer.status != 200:
            while not body.over:
                await _until_readable(loop, carrier)
                body.read(carrier)
            return earlier or (body.error(), host)
        connecting.settle(sock, carrier, made, host, answer)
        done = True
        return None
    except (ConnectionResetError, BrokenPipeError) as error:
        raise (error if is_refusal(error) else wire.lost()) from None
    finally:
        connecting.leave(sock, carrier, done)
        if sock.fileno() >= 0:
            sock.settimeout(0)


async def _reach(loop: "Any", stock: "Any", carrier: "Any") -> "None":
    _, address = wire.broker_address(carrier.family)
    try:
        await stock(loop, carrier, address)
    except OSError as error:
        raise wire.away(error) from None


async def _exchange(loop: "Any", carrier: "Any", head: "bytes") -> "tuple[Any, ...]":
    left = head
    while left:
        left = left[wire.RAW.send(carrier, left) :]
    reader = wire.HeadReader()
    answer = None
    while answer is None:
        await _until_readable(loop, carrier)
        try:
            answer = reader.read(carrier)
        except (BlockingIOError, InterruptedError):
            continue
    return answer, wire.BodyReader(answer)


async def _until_readable(loop: "Any", carrier: "Any") -> "None":
    ready = loop.create_future()
    fd = carrier.fileno()
    loop.add_reader(fd, _set, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


def _set(ready: "Any") -> "None":
    if not ready.done():
        ready.set_result(None)


def change_tls_protocol(module: "Any") -> "None":
    """Changes `asyncio.sslproto`: what broke a handshake is the broker's error."""
    protocol = module.SSLProtocol
    stock_handshake = protocol._on_handshake_complete
    stock_lost = protocol.connection_lost

    def _on_handshake_complete(self: "Any", error: "BaseException | None") -> "None":
        stock_handshake(self, _told(self, error))

    def connection_lost(self: "Any", error: "BaseException | None") -> "None":
        above = getattr(self, "_app_protocol", None)
        if is_refusal(error) and above is not None:
            self._app_protocol = _Above(above)
        stock_lost(self, error)

    protocol._on_handshake_complete = _on_handshake_complete
    protocol.connection_lost = connection_lost


def _told(protocol: "Any", error: "BaseException | None") -> "BaseException | None":
    """Returns the broker's error in the place of one that ended a TLS session."""
    if not isinstance(error, (OSError, EOFError)) or is_refusal(error):
        return error
    transport = getattr(protocol, "_transport", None)
    sock = transport.get_extra_info("socket") if transport is not None else None
    sock = getattr(sock, "_sock", sock)
    if not isinstance(sock, _socket.socket):
        return error
    route = routes.find(sock)
    return (route.failed() if route is not None else None) or error


class _Above:
    """A protocol above TLS that loses its connection because of a refusal."""

    def __init__(self, protocol: "Any") -> "None":
        self._protocol = protocol

    def __getattr__(self, name: "str") -> "Any":
        return getattr(self._protocol, name)

    def connection_lost(self, error: "BaseException | None") -> "None":
        _while_handling(error, self._protocol.connection_lost, error)


def _while_handling(error: "BaseException | None", call: "Any", *args: "Any") -> "None":
    if error is None or not is_refusal(error):
        call(*args)
        return
    try:
        raise error
    except OSError:
        call(*args)


def change_streams(module: "Any") -> "None":
    """Changes `asyncio.streams`: a write after a refusal shows the refusal."""
    writer = module.StreamWriter
    stock = writer.drain

    async def drain(self: "Any") -> "None":
        """Waits until more may be written; a refusal is raised instead of a lost connection."""
        try:
            await stock(self)
        except ConnectionResetError:
            reader = self._reader
            error = reader.exception() if reader is not None else None
            if error is None or not is_refusal(error):
                raise
            raise error from None

    writer.drain = drain
