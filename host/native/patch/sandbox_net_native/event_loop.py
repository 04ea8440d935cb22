"""Changes asyncio: its connects are routed without blocking, and refusals are shown.

A transport does not raise the error of a write: it reports it to its protocol, as
`connection_lost(error)`. Protocols turn that into other exceptions, some without the error. Here
those get the error as their context, so that the traceback shows it.
"""

import _socket

from . import connecting, routes, wire
from .errors import exception_for, is_of_one_host, is_refusal


def change_selector_events(module: "object") -> "None":
    """Changes `asyncio.selector_events`."""
    loop = module.BaseSelectorEventLoop  # type: ignore[attr-defined]
    stock = loop.sock_connect

    async def sock_connect(self: "object", sock: "object", address: "object") -> "None":
        """Connects a socket, through the broker unless it is the program's own machine."""
        made = connecting.plan(sock, address)  # type: ignore[arg-type]
        if made.direct is not None:
            return await stock(self, sock, made.direct)
        if self._debug and sock.gettimeout() != 0:  # type: ignore[attr-defined]
            raise ValueError("the socket must be non-blocking")
        return await _connect(self, stock, sock, made)

    loop.sock_connect = sock_connect
    transport = module._SelectorTransport  # type: ignore[attr-defined]
    stock_lost = transport._call_connection_lost

    def _call_connection_lost(self: "object", error: "BaseException | None") -> "None":
        _while_handling(error, stock_lost, self, error)

    transport._call_connection_lost = _call_connection_lost


async def _connect(loop: "object", stock: "object", sock: "object", made: "object") -> "None":
    failure = None
    try:
        for host in made.hosts:  # type: ignore[attr-defined]
            failure = await _attempt(loop, stock, sock, made, host, failure)
            if failure is None:
                return
            if not is_of_one_host(failure[0]):
                break
        if failure is not None:
            raise exception_for(*failure)
    finally:
        failure = None


async def _attempt(
    loop: "object",
    stock: "object",
    sock: "object",
    made: "object",
    host: "str",
    earlier: "tuple | None",
) -> "tuple | None":
    carrier = connecting.open_carrier(sock)  # type: ignore[arg-type]
    done = False
    if carrier is not sock:
        carrier.settimeout(0)
    try:
        await _reach(loop, stock, carrier, sock)
        head = wire.connect_request(host, made.port)  # type: ignore[attr-defined]
        answer, body = await _exchange(loop, carrier, head)
        if answer.status != 200:
            while not body.over:
                await _until_readable(loop, carrier)
                body.read(carrier)
            return earlier or (body.error(), host)
        connecting.settle(sock, carrier, made, host, answer)  # type: ignore[arg-type]
        done = True
        return None
    except (ConnectionResetError, BrokenPipeError) as error:
        raise (error if is_refusal(error) else wire.lost()) from None
    finally:
        connecting.leave(sock, carrier, done)  # type: ignore[arg-type]
        if sock.fileno() >= 0:  # type: ignore[attr-defined]
            sock.settimeout(0)  # type: ignore[attr-defined]


async def _reach(loop: "object", stock: "object", carrier: "object", sock: "object") -> "None":
    _, address = wire.broker_address(sock.family)  # type: ignore[attr-defined]
    try:
        await stock(loop, carrier, address)  # type: ignore[operator]
    except OSError as error:
        raise wire.refused() if isinstance(error, ConnectionRefusedError) else error from None


async def _exchange(loop: "object", carrier: "object", head: "bytes") -> "tuple":
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


async def _until_readable(loop: "object", carrier: "object") -> "None":
    ready = loop.create_future()  # type: ignore[attr-defined]
    fd = carrier.fileno()  # type: ignore[attr-defined]
    loop.add_reader(fd, _set, ready)  # type: ignore[attr-defined]
    try:
        await ready
    finally:
        loop.remove_reader(fd)  # type: ignore[attr-defined]


def _set(ready: "object") -> "None":
    if not ready.done():  # type: ignore[attr-defined]
        ready.set_result(None)  # type: ignore[attr-defined]


def change_tls_protocol(module: "object") -> "None":
    """Changes `asyncio.sslproto`: what broke a handshake is the broker's error."""
    protocol = module.SSLProtocol  # type: ignore[attr-defined]
    stock_handshake = protocol._on_handshake_complete
    stock_lost = protocol.connection_lost

    def _on_handshake_complete(self: "object", error: "BaseException | None") -> "None":
        stock_handshake(self, _told(self, error))

    def connection_lost(self: "object", error: "BaseException | None") -> "None":
        above = getattr(self, "_app_protocol", None)
        if is_refusal(error) and above is not None:
            self._app_protocol = _Above(above)  # type: ignore[attr-defined]
        stock_lost(self, error)

    protocol._on_handshake_complete = _on_handshake_complete
    protocol.connection_lost = connection_lost


def _told(protocol: "object", error: "BaseException | None") -> "BaseException | None":
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

    def __init__(self, protocol: "object") -> "None":
        self._protocol = protocol

    def __getattr__(self, name: "str") -> "object":
        return getattr(self._protocol, name)

    def connection_lost(self, error: "BaseException | None") -> "None":
        _while_handling(error, self._protocol.connection_lost, error)  # type: ignore[attr-defined]


def _while_handling(error: "BaseException | None", call: "object", *args: "object") -> "None":
    if error is None or not is_refusal(error):
        call(*args)  # type: ignore[operator]
        return
    try:
        raise error
    except OSError:
        call(*args)  # type: ignore[operator]


def change_streams(module: "object") -> "None":
    """Changes `asyncio.streams`: a write after a refusal shows the refusal."""
    writer = module.StreamWriter  # type: ignore[attr-defined]
    stock = writer.drain

    async def drain(self: "object") -> "None":
        """Waits until more may be written; a refusal is raised instead of a lost connection."""
        try:
            await stock(self)
        except ConnectionResetError:
            reader = self._reader  # type: ignore[attr-defined]
            error = reader.exception() if reader is not None else None
            if error is None or not is_refusal(error):
                raise
            raise error from None

    writer.drain = drain
