"""What a program sends over a connection: bytes, which become requests, one after the other."""

import errno
from typing import Final

from . import channel as ch
from .channel import ChannelError
from .connecting import ConnectingEndpoint, Phase
from .errors import CLOSED, exception_for, os_error, timed_out, unsupported, would_block
from .exchange import Exchange
from .http1_request import SIZED, BodyEnd, RequestHead
from .shared_address import host_field
from .tls_records import FIRST
from .waiting import WRITABLE, Deadline, wait

_MAX_SEND: Final = 256 * 1024
_SMALL: Final = 64 * 1024  # the largest body that goes with its head
_NOTHING: Final = memoryview(b"")


class SendingEndpoint(ConnectingEndpoint):
    """A connection that requests can be sent over."""

    def __init__(self, family: int, kind: int, proto: int) -> None:
        super().__init__(family, kind, proto)
        self._carried = False

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
