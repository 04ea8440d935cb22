"""A TCP connection as a program sees it: a stream of bytes, which the host sends as HTTP."""

import errno
from enum import Enum, auto
from typing import Final

from . import channel as ch
from . import control
from .answers import is_loopback
from .channel import Channel, ChannelError, Entry
from .endpoint import Address, Endpoint, Hosts
from .errors import (
    CLOSED,
    again,
    exception_for,
    is_denied_setting,
    is_name_mismatch,
    is_of_tls,
    is_refusal,
    is_told_once,
    os_error,
    refusal,
    timed_out,
    unsupported,
    would_block,
)
from .exchange import Exchange
from .http1_request import SIZED, BodyEnd, RequestHead, RequestParser
from .inbox import Inbox
from .own_address import own_name, own_port
from .shared_address import connect_to_first, host_field, other_host, tls_target
from .stock import gaierror
from .tls_records import FIRST, NotOurs, RecordReader, pack_failure, pack_settled
from .tls_request import with_name_checked
from .waiting import HUNG_UP, READABLE, WRITABLE, Deadline, patience, wait

_MAX_SEND: Final = 256 * 1024
_SMALL: Final = 64 * 1024  # the largest body that goes with its head
_NOTHING: Final = memoryview(b"")

# The host counts the same timeout from another moment. If its deadline is this close, it is ours.
_CLOCK_SLACK_NS: Final = 50_000_000


class Phase(Enum):
    """The state of a connection."""

    NEW = auto()
    CONNECTING = auto()
    OPEN = auto()
    HANDSHAKING = auto()


class Connection(Endpoint):
    """One connection to a host and port, and its requests, one after the other."""

    def __init__(self, family: int, kind: int, proto: int) -> None:
        super().__init__(family, kind, proto)
        self.phase = Phase.NEW
        self.host = ""
        self._handle = 0
        self._peer: Address | None = None
        self._peer_port = 0
        self._own_host = ""
        self._port = 0
        self._error: OSError | None = None
        self.refusal: OSError | None = None
        """Why sandbox-net refused to connect; `SO_ERROR` and `connect_ex` have only a number."""
        self._tls_begun = False
        # TLS that begins after connecting to the host that its server name means.
        self._postponed: tuple[int, bytes] | None = None
        self._carried = False
        self._denied_setting: ChannelError | None = None
        # TLS that an `SSLObject` requests, and whose result it gets, in the stream itself.
        self._tls_record: RecordReader | None = None
        self._notes = Inbox()
        self._parser = RequestParser()
        self._exchange: Exchange | None = None
        self._over = False
        self._broken: OSError | None = None
        """What ended the connection, for clients that ignore errors of a send and then read."""
        self._reading = self._writing = True

    @property
    def _channel(self) -> Channel:
        return control.channel()

    # Connecting, and TLS.

    def connect(self, hosts: Hosts, port: int, peer: Address, deadline: Deadline) -> None:
        if self.phase is Phase.CONNECTING:
            self._raise_error()
            raise os_error(errno.EALREADY)
        if self.phase is not Phase.NEW:
            raise os_error(errno.EISCONN)
        self._raise_error()
        if is_loopback(self._own_host) and not is_loopback(hosts[0]):
            raise os_error(errno.EINVAL)  # as on Linux: loopback does not lead there
        self._open(hosts, port, deadline)
        self._peer = peer
        self._peer_port = port
        self._port = self._port or own_port()
        if not deadline.blocking:
            raise os_error(errno.EINPROGRESS)
        try:
            self.finish_phase(deadline)
        except TimeoutError:
            self._give_up()
            if deadline.remaining_ns() < _CLOCK_SLACK_NS:
                self.refusal = None
                raise timed_out() from None
            raise

    def _open(self, hosts: Hosts, port: int, deadline: Deadline) -> None:
        # The host stops at the same time, so waiting longer is useless.
        timeout = max(1, deadline.remaining_ns()) if deadline.blocking else 0
        timeout = 0 if timeout == ch.FOREVER else timeout
        try:
            self._handle, self.host = connect_to_first(self._channel, hosts, port, timeout)
        except OSError as error:
            self.refusal = again(error) if is_refusal(error) else None
            raise
        self.refusal = None
        self.phase = Phase.CONNECTING

    def _go_over(self, meant: str, deadline: Deadline) -> bool:
        """Connects again, before anything was sent, if another name at this address is meant."""
        if (host := other_host(meant, self.host, self._peer)) is None:
            return False
        self._give_up()
        self._open((host,), self._peer_port, deadline)
        return True

    def bind(self, host: str) -> None:
        if self._port:
            raise os_error(errno.EINVAL)
        self._port = own_port()
        self._own_host = host

    def start_tls(self, settings: int, payload: bytes) -> None:
        """Begins the TLS handshake as a `TlsRequest` says; `finish_phase` waits for its end.

        Raises:
            ChannelError: the host refuses.
            OSError: TLS cannot begin on this connection.
        """
        if self.phase is not Phase.OPEN:
            raise os_error(errno.ENOTCONN)
        if self._tls_begun:
            raise unsupported("TLS inside TLS is not carried")
        if self._exchange is not None or not self._parser.between_requests:
            raise unsupported("TLS has to begin before anything is sent")
        if self._over or not self._writing:
            raise os_error(errno.EPIPE)
        self._tls_begun = True
        payload, meant = tls_target(settings, payload, self.host, self._peer)
        try:
            goes_over = self._go_over(meant, Deadline(0))
        except OSError as error:
            raise self._broken_by(error) from None
        if goes_over:
            self._postponed = (settings, payload)
        else:
            self._begin_tls(settings, payload)

    def _begin_tls(self, settings: int, payload: bytes) -> None:
        try:
            self._channel.call(ch.START_TLS, self._handle, settings, payload)
        except ChannelError as error:
            checked = with_name_checked(settings)
            if checked == settings or not is_denied_setting(error):
                self._tls_begun = False
                raise
            # Retry with name checking: the grant matters only if the name is wrong.
            self._denied_setting = error
            self._channel.call(ch.START_TLS, self._handle, checked, payload)
        self.phase = Phase.HANDSHAKING

    def _take_tls_record(self, data: memoryview) -> int:
        """Takes bytes of the record with which an `SSLObject` begins TLS; returns how many."""
        if self._tls_record is None:
            self._tls_record = RecordReader()
        taken = 0
        try:
            while (missing := self._tls_record.missing) and taken < len(data):
                piece = data[taken : taken + missing]
                self._tls_record.feed(piece)
                taken += len(piece)
        except NotOurs:
            text = "TLS is spoken by the host: use Python's ssl module, or plain HTTP"
            raise self._broken_by(unsupported(text)) from None
        if missing:
            return taken
        settings, *_ = record = self._tls_record.take()
        try:
            self.start_tls(settings, record[1:])
        except ChannelError as error:
            if not is_of_tls(error):
                raise self._broken_by(exception_for(error, self.host)) from None
            self._tell_tls_failure(error)
        return taken

    def tls_info(self) -> bytes:
        """Returns the payload of the `tls-info` reply."""
        return self._channel.call(ch.TLS_INFO, self._handle).payload

    def finish_phase(self, deadline: Deadline) -> None:
        """Waits until connecting, or the handshake, is over.

        Raises:
            OSError: it failed, or it is not over at the deadline.
        """
        while not self._phase_over():
            wait(self._channel, [(self._handle, ch.PHASE)], deadline)
        self._raise_error()

    def _phase_over(self) -> bool:
        if self.phase not in (Phase.CONNECTING, Phase.HANDSHAKING):
            return True
        try:
            if self._channel.call(ch.STATUS, self._handle).pending:
                return False
            if self._postponed is not None:
                self.phase = Phase.HANDSHAKING
                postponed, self._postponed = self._postponed, None
                self._begin_tls(*postponed)
                return False
        except ChannelError as error:
            self._phase_failed(error)
            return True
        if self.phase is Phase.HANDSHAKING and self._tls_record is not None:
            self._notes.append(pack_settled(self.tls_info()))
        self.phase = Phase.OPEN
        return True

    def _phase_failed(self, error: ChannelError) -> None:
        if self._denied_setting is not None and is_name_mismatch(error):
            error = self._denied_setting
        in_stream = self.phase is Phase.HANDSHAKING and self._tls_record is not None
        if in_stream and is_of_tls(error):
            self._tell_tls_failure(error)
        else:
            self._error = exception_for(error, self.host)
            self.refusal = again(self._error) if is_refusal(self._error) else None
            self._give_up()

    def _tell_tls_failure(self, error: ChannelError) -> None:
        """Leaves the error to the TLS session, as after an alert."""
        self._notes.append(pack_failure(error))
        self._give_up()
        self.phase = Phase.OPEN
        self._over = True

    def _give_up(self) -> None:
        self._leave()
        self._postponed = None
        self.phase = Phase.NEW

    def _raise_error(self) -> None:
        try:  # do not name it: a frame that it passed would keep itself
            if self._error is not None:
                raise self._error
        finally:
            self._error = None

    def take_error(self) -> int:
        self._phase_over()
        error, self._error = self._error, None
        if isinstance(error, gaierror):  # its number is not an errno
            return errno.EHOSTUNREACH
        return 0 if error is None else error.errno or errno.EIO

    def peer_name(self) -> Address:
        if self._peer is None or self.phase in (Phase.NEW, Phase.CONNECTING):
            raise os_error(errno.ENOTCONN)
        return self._peer

    def own_name(self) -> Address:
        """Returns an address of the sandbox's loopback, as the host hides its own side."""
        connected = self.phase not in (Phase.NEW, Phase.CONNECTING)
        return own_name(self.family, self._own_host, self._port, connected)

    # Sending.

    def send(self, data: memoryview, deadline: Deadline) -> int:
        if self.phase is not Phase.OPEN or self._error is not None:
            self._require_open(errno.EPIPE)
        if self._broken is not None:
            self._raise_broken()
        if self._over or not self._writing:
            raise os_error(errno.EPIPE)
        if not self._tls_begun and (self._tls_record or self._begins_tls(data)):
            return self._take_tls_record(data)
        exchange = self._exchange
        if exchange is not None:
            if exchange.congested:
                self._drain(deadline)
            if self._parser.between_requests:
                self._make_room(deadline, exchange)
        if len(data) > _MAX_SEND:
            data = data[:_MAX_SEND]
        try:
            self._carry_all(data, deadline)
        except OSError as error:
            self._broken_by(error)
            raise
        if (exchange := self._exchange) is not None:
            if deadline.timeout is None and exchange.congested:
                self._drain(deadline)  # it has no time limit
            exchange.raise_failure()
        return len(data)

    def _broken_by(self, error: OSError) -> OSError:
        """Ends the connection with `error`, which every later call raises again."""
        self._over = True
        if not is_told_once(error):
            self._broken = again(refusal(error))
        return error

    def _raise_broken(self) -> None:
        if self._broken is not None:
            raise again(self._broken)

    def _begins_tls(self, data: memoryview) -> bool:
        return self._exchange is None and self._parser.between_requests and data[:1] == FIRST

    def _drain(self, deadline: Deadline) -> None:
        """Waits until the host has taken the rest of an earlier call."""
        exchange = self._exchange
        while exchange is not None and exchange.congested:
            exchange.flush()
            exchange.raise_failure()
            if exchange.congested:
                self._wait(WRITABLE, deadline)

    def _make_room(self, deadline: Deadline, exchange: Exchange) -> None:
        """Makes sure that the previous request is over before the next one begins."""
        if exchange.over and (exchange.delivered or exchange.unframed):
            exchange.raise_failure()
            self._over = True
            raise os_error(errno.EPIPE)
        if exchange.delivered:
            exchange.settle(deadline)
            self._exchange = None
        elif exchange.unframed:
            # The program found an end by itself. Later bytes belong to no other response, so the
            # next request gets a connection of its own.
            exchange.release(abandon=True)
            self._exchange = None

    def _carry_all(self, data: memoryview, deadline: Deadline) -> None:
        head: RequestHead | None = None  # its body may follow at once
        for event in self._parser.feed(data):
            if head is not None and not isinstance(event, RequestHead):
                body = _NOTHING if isinstance(event, BodyEnd) else event
                if len(body) == head.size:
                    self._begin(head, deadline, body)
                else:
                    self._begin(head, deadline)
                    self._carry(event, deadline)
                head = None
            elif isinstance(event, RequestHead) and event.body == SIZED and event.size <= _SMALL:
                head = event
            else:
                self._carry(event, deadline)
        if head is not None:
            self._begin(head, deadline)

    def _carry(self, event: RequestHead | memoryview | BodyEnd, deadline: Deadline) -> None:
        if isinstance(event, RequestHead):
            self._begin(event, deadline)
            return
        exchange = self._exchange
        if exchange is None:
            return
        if isinstance(event, BodyEnd):
            exchange.end_body()
        else:
            exchange.offer(event, last=self._parser.is_at_end)

    def _begin(
        self, request: RequestHead, deadline: Deadline, body: memoryview | None = None
    ) -> None:
        """Begins a request, with its whole `body` if that is there."""
        if self._exchange is not None:
            raise unsupported(
                "pipelining is not carried: read a response to its end before the next request"
            )
        if not self._tls_begun and not self._carried:
            # These bytes are accepted already, so even a non-blocking socket has to wait here.
            deadline = deadline if deadline.blocking else Deadline(None)
            if self._go_over(host_field(request.fields, self._peer_port), deadline):
                self.finish_phase(deadline)
        self._carried = True
        payload, kind = request.payload(), request.body
        if body is not None:
            payload, kind = b"".join((payload, body)), kind | ch.WHOLE
        try:
            reply = self._channel.call(ch.REQUEST, self._handle, kind, payload)
        except ChannelError as error:
            if error.code != CLOSED:
                raise exception_for(error, self.host) from None
            self._over = True  # as an idle connection that the server closed
            return
        self._exchange = Exchange(self._channel, self.host, reply.value, request)
        if body is not None:
            rest = body[int.from_bytes(reply.payload, "little") :]
            if len(rest):
                self._exchange.offer(rest, last=True)
            else:
                self._exchange.sent()

    # Receiving.

    def receive(self, view: memoryview, deadline: Deadline) -> int:
        wait_ns = patience(deadline)
        while (got := self._receive_now(view, wait_ns)) is None:
            self._wait(READABLE, deadline)
            wait_ns = 0
        return got

    def _receive_now(self, view: memoryview, wait_ns: int) -> int | None:
        if self._notes:
            return self._notes.take(view)
        if self._error is not None:
            self._raise_error()
        if not self._reading:
            return 0
        if self.phase is Phase.NEW:
            self._require_begun(errno.ENOTCONN)
        exchange = self._exchange
        if exchange is not None and (got := exchange.receive(view, wait_ns)) is not None:
            return got
        self._raise_broken()
        return 0 if self._over else None

    def push_back(self, data: bytes) -> None:
        # Bytes already taken from the notes come before the rest of them.
        reader = self._notes if self._notes or self._exchange is None else self._exchange
        reader.push_back(data)

    def put_off(self, error: OSError) -> None:
        self._error = error

    @property
    def unread(self) -> int:
        """Returns how many bytes can be read without asking the host."""
        return len(self._notes) + (self._exchange.unread if self._exchange is not None else 0)

    def _require_open(self, otherwise: int) -> None:
        self._raise_error()
        self._require_begun(otherwise)
        if self.phase is not Phase.OPEN:
            raise would_block()

    def _require_begun(self, otherwise: int) -> None:
        if self.phase is Phase.NEW:
            raise again(self.refusal) if self.refusal is not None else os_error(otherwise)

    # Waiting.

    def _wait(self, wanted: int, deadline: Deadline) -> None:
        if not deadline.blocking:
            raise would_block()
        ready, entries = self.watch(wanted)
        if ready & wanted:
            return
        if entries:
            self.notice(wait(self._channel, entries, deadline)[0])
        elif self._exchange is None:
            raise unsupported(
                "only HTTP is carried: there is nothing to read before a whole request head is sent"
            )
        elif deadline.timeout is None:
            self._over = True  # as if the server had ended an idle connection
        else:
            deadline.sleep_out()
            raise timed_out()

    def watch(self, wanted: int) -> tuple[int, list[Entry]]:
        if self._error is not None or self.phase is Phase.NEW:
            return wanted | HUNG_UP, []
        if self.phase is not Phase.OPEN:
            return 0, [(self._handle, ch.PHASE)]
        if self._over or not self._reading or self._notes:
            return wanted, []
        if self._exchange is None:
            return wanted & WRITABLE, []
        ready, interests = self._exchange.watch(wanted)
        return ready, [self._exchange.entry(interests)] if interests else []

    def notice(self, interests: int) -> int:
        if not interests:
            return 0
        if self.phase in (Phase.CONNECTING, Phase.HANDSHAKING):
            if not self._phase_over():
                return 0
            if self._error is not None:
                return READABLE | WRITABLE | HUNG_UP
            return READABLE | WRITABLE if self._notes else WRITABLE
        if self._exchange is None:
            return 0
        return self._exchange.notice(interests)

    # The end.

    def shut_down(self, *, reading: bool, writing: bool) -> None:
        if self.phase in (Phase.NEW, Phase.CONNECTING):
            raise os_error(errno.ENOTCONN)
        self._reading = self._reading and not reading
        self._writing = self._writing and not writing
        if self.phase is Phase.OPEN and not (self._reading or self._writing):
            # The server sees the end now, even if the descriptor stays open.
            self._leave()
            self._over = True

    def end_tls(self) -> None:
        """Ends the TLS session. The host has no plain text below it to continue with."""
        self._over = True

    def close(self) -> None:
        self._give_up()

    def _leave(self) -> None:
        """Ends the connection at the host, and the request on it."""
        if self._exchange is not None:
            self._exchange.release(abandon=True)
            self._exchange = None
        if self._handle:
            self._channel.close(self._handle)
        self._handle = 0
