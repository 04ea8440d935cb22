"""How a connection begins and ends: connecting, the TLS handshake, and their failures."""

import errno
from enum import Enum, auto
from typing import Final

from . import channel as ch
from . import control
from .answers import is_loopback
from .channel import Channel, ChannelError
from .endpoint import Address, Endpoint, Hosts
from .errors import (
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
from .http1_request import RequestParser
from .inbox import Inbox
from .own_address import own_name, own_port
from .shared_address import connect_to_first, other_host, tls_target
from .stock import gaierror
from .tls_records import NotOurs, RecordReader, pack_failure, pack_settled
from .tls_request import with_name_checked
from .waiting import Deadline, wait

# The host counts the same timeout from another moment. If its deadline is this close, it is ours.
_CLOCK_SLACK_NS: Final = 50_000_000


class Phase(Enum):
    """The state of a connection."""

    NEW = auto()
    CONNECTING = auto()
    OPEN = auto()
    HANDSHAKING = auto()


class ConnectingEndpoint(Endpoint):
    """A connection to a host and port, up to where data begins."""

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
        self._denied_setting: ChannelError | None = None
        # TLS that an `SSLObject` requests, and whose result it gets, in the stream itself.
        self._tls_record: RecordReader | None = None
        self._notes = Inbox()
        self._parser = RequestParser()
        """Finds the requests in what is sent."""
        self._exchange: Exchange | None = None
        """The latest request, until the next one."""
        self._over = False
        self._broken: OSError | None = None
        """What ended the connection, for clients that ignore errors of a send and then read."""
        self._writing = True

    @property
    def _channel(self) -> Channel:
        return control.channel()

    # Connecting.

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

    # TLS.

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

    def _tell_tls_failure(self, error: ChannelError) -> None:
        """Leaves the error to the TLS session, as after an alert."""
        self._notes.append(pack_failure(error))
        self._give_up()
        self.phase = Phase.OPEN
        self._over = True

    # Failures.

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

    def _broken_by(self, error: OSError) -> OSError:
        """Ends the connection with `error`, which every later call raises again."""
        self._over = True
        if not is_told_once(error):
            self._broken = again(refusal(error))
        return error

    def _raise_broken(self) -> None:
        if self._broken is not None:
            raise again(self._broken)

    def _require_open(self, otherwise: int) -> None:
        self._raise_error()
        self._require_begun(otherwise)
        if self.phase is not Phase.OPEN:
            raise would_block()

    def _require_begun(self, otherwise: int) -> None:
        if self.phase is Phase.NEW:
            raise again(self.refusal) if self.refusal is not None else os_error(otherwise)

    # The addresses.

    def peer_name(self) -> Address:
        if self._peer is None or self.phase in (Phase.NEW, Phase.CONNECTING):
            raise os_error(errno.ENOTCONN)
        return self._peer

    def own_name(self) -> Address:
        """Returns an address of the sandbox's loopback, as the host hides its own side."""
        connected = self.phase not in (Phase.NEW, Phase.CONNECTING)
        return own_name(self.family, self._own_host, self._port, connected)

    # The end.

    def end_tls(self) -> None:
        """Ends the TLS session. The host has no plain text below it to continue with."""
        self._over = True

    def close(self) -> None:
        self._give_up()

    def _give_up(self) -> None:
        self._leave()
        self._postponed = None
        self.phase = Phase.NEW

    def _leave(self) -> None:
        """Ends the connection at the host, and the request on it."""
        if self._exchange is not None:
            self._exchange.release(abandon=True)
            self._exchange = None
        if self._handle:
            self._channel.close(self._handle)
        self._handle = 0
