"""One request and its response, between the program's stream of bytes and the host."""

import struct
from collections import deque
from enum import Enum, auto
from typing import Final

from . import channel as ch
from .channel import Channel, ChannelError, Chunk, Entry
from .errors import (
    CLOSED,
    PROTOCOL,
    again,
    exception_for,
    is_refusal,
    is_told_once,
)
from .http1_request import NO_BODY, RequestHead
from .http1_response import (
    CHUNK_END,
    CONTINUE,
    UNFRAMED,
    Framing,
    ResponseHead,
    ResponsePlan,
    broken_chunk,
    chunk_head,
    last_chunk,
    plan_response,
)
from .inbox import Inbox
from .waiting import READABLE, WRITABLE, Deadline, wait

_MAX_WRITE: Final = 256 * 1024
_MAX_READ: Final = 1024 * 1024
_CHUNK: Final = 64 * 1024
_WITH_HEAD: Final = 48 * 1024  # the most bytes of a body that come with its head
_SMALL: Final = 64 * 1024  # the largest body, or rest of one, that one frame writes and ends
# What is put around a chunk needs room beside some bytes of it.
_LEAST_CHUNK: Final = 64
# If fewer bytes were there, the next ones have to be waited for.
_TRICKLE: Final = 4096

_LENGTH: Final = struct.Struct("<I")
_GO_ON: Final = 1  # the `value` of a pending `HEAD` reply if the server asks for the body


class _State(Enum):
    HEAD = auto()
    """The response's head has not arrived."""
    BODY = auto()
    """The body is being read."""
    ENDING = auto()
    """The program has the whole response; the host has not confirmed yet that it is whole."""
    DONE = auto()


class Exchange:
    """Sends a request's body, and makes the bytes of the response.

    Only `settle` waits. A failure is kept: sending raises it, and so does reading, after the bytes
    that came before it.
    """

    def __init__(self, channel: Channel, host: str, handle: int, request: RequestHead) -> None:
        self._channel = channel
        self._host = host
        self._handle = handle
        self._open = True
        self._request = request
        self._state = _State.HEAD
        self._plan: ResponsePlan | None = None
        self._left = 0
        self._inbox = Inbox()
        self._chunk: memoryview | None = None
        self._failure: OSError | None = None
        self.over = False
        """Whether the connection ends with this exchange."""
        self._trickles = False
        self._is_apart = False
        self._queue: deque[memoryview] = deque()
        self._body_ended = request.body == NO_BODY
        self._finished = request.body == NO_BODY
        self._dropping = False

    # The request's body.

    @property
    def congested(self) -> bool:
        """Whether bytes of the request wait until the host takes them."""
        return bool(self._queue)

    def sent(self) -> None:
        """Notes that the whole body went with the head."""
        self._body_ended = self._finished = True

    def offer(self, data: memoryview, *, last: bool = False) -> None:
        """Sends a piece of the body; keeps a copy of what the host does not take now.

        If it is the `last` one, the same frame may end the body.
        """
        if not self._queue:
            data = self._write(data, last=last)
        if len(data) and not self._dropping:
            self._queue.append(memoryview(bytes(data)))

    def end_body(self) -> None:
        """Ends the body."""
        self._body_ended = True
        self.flush()

    def flush(self) -> None:
        """Sends the waiting bytes, as far as the host takes them."""
        while self._queue:
            rest = self._write(self._queue.popleft())
            if len(rest) and not self._dropping:
                self._queue.appendleft(rest)
                return
        if self._body_ended and not self._dropping:
            if not self._finished:
                try:
                    self._finished = not self._channel.call(ch.FINISH, self._handle).pending
                except ChannelError as error:
                    self._upload_failed(error)
            if self._finished and self._state is _State.DONE:
                self.release()

    def _write(self, data: memoryview, *, last: bool = False) -> memoryview:
        """Sends `data` to the host; returns what it does not take now."""
        while len(data) and not self._dropping:
            ends = last and len(data) <= _SMALL
            if not ends and (taken := self._channel.put(self._handle, data[:_MAX_WRITE])):
                if taken == ch.NOTHING:
                    break
                data = data[taken:]
                continue
            try:
                arg = ch.WHOLE if ends else 0
                reply = self._channel.call(ch.WRITE, self._handle, arg, data[:_MAX_WRITE])
            except ChannelError as error:
                self._upload_failed(error)
            else:
                if reply.pending or not reply.value:
                    break
                data = data[reply.value :]
                self._finished = ends and not len(data)
        return data

    def _upload_failed(self, error: ChannelError) -> None:
        """Drops the rest of a body, because a server may answer before it has the whole."""
        self._dropping = True
        self._queue.clear()
        if self._state is not _State.HEAD:
            return
        failure = exception_for(error, self._host)
        if not self._fetch_head(0, 0):
            # If only the upload is closed, the head may be on its way, and says more.
            if error.code != CLOSED:
                self._fail(error)
        elif self._plan is None and is_refusal(failure) and not is_refusal(self._failure):
            self._failure = failure  # it says more than that the request is over

    def raise_failure(self) -> None:
        """Raises the exchange's failure, which a program may have ignored before."""
        failure = self._failure
        if failure is None:
            return
        if is_told_once(failure):
            self._failure = None
        raise again(failure)

    # The response.

    @property
    def delivered(self) -> bool:
        """Whether the program has read the whole response."""
        return self._state in (_State.ENDING, _State.DONE) and not self._inbox

    @property
    def unread(self) -> int:
        """Returns how many bytes can be read at once."""
        return len(self._inbox)

    def push_back(self, data: bytes) -> None:
        """Puts back bytes that were read."""
        self._inbox.push_back(data)

    def receive(self, view: memoryview, wait_ns: int = 0) -> int | None:
        """Reads into `view`; returns how many bytes, 0 at the connection's end, `None` for not now.

        It may wait for `wait_ns`, which saves a poll.

        Raises:
            OSError: the exchange failed.
        """
        while True:
            # Look here first: an upload that fails may find the head.
            if not self._finished:
                self.flush()
            if self._inbox:
                return self._inbox.take(view)
            if self._failure is not None:
                self.raise_failure()
            if self.over:
                return 0
            if self._queue:
                wait_ns = 0  # the server may wait for these bytes
            if self._state is _State.HEAD:
                if self._fetch_head(len(view), wait_ns):
                    return self._take_with_body(view)
                if not self._inbox:
                    return None
            elif self._state is _State.BODY:
                got = self._read_body(view, wait_ns)
                if got or not (self._inbox or self.over or self._failure):
                    return got
            else:
                return None

    def _take_with_body(self, view: memoryview) -> int | None:
        """Reads the head and, as a socket would, the bytes of the body that arrived with it."""
        taken = self._inbox.take(view)
        # A fault in the first chunk's size is not told with the head.
        is_apart = self._is_apart or taken > _WITH_HEAD
        if taken and taken < len(view) and is_apart and self._state is _State.BODY:
            view = view[taken:]
            taken += self._read_body(view, 0) or self._inbox.take(view)
        return taken or self.receive(view)

    def _fetch_head(self, most: int, wait_ns: int) -> bool:
        """Whether the head has arrived, or never will; with it come at most `most` bytes."""
        try:
            reply = self._channel.head(self._handle, min(most, _WITH_HEAD), wait_ns)
        except ChannelError as error:
            if error.code != PROTOCOL or not self._hand_on():
                self._fail(error)
            return True
        if reply.pending:
            if reply.value == _GO_ON:
                self._inbox.append(CONTINUE)
            return False
        (size,) = _LENGTH.unpack_from(reply.payload)
        head = ResponseHead.from_payload(reply.payload, _LENGTH.size)
        body = reply.payload[_LENGTH.size + size :]
        self._plan = plan = plan_response(head, self._request)
        self._inbox.append(plan.head)
        self._left = plan.length
        self._state = _State.BODY
        self._is_apart = plan.framing is Framing.CHUNKED and not body
        if plan.framing is Framing.CHUNKED and body:
            body = b"".join((chunk_head(len(body)), body, CHUNK_END))
        self._inbox.append(body)
        is_whole = plan.framing is Framing.NONE
        if plan.framing is Framing.LENGTH:
            self._left -= len(body)
            is_whole = not self._left
        if reply.value & ch.LAST:
            self._open = self._open and not reply.value & ch.CLOSED
            self._body_end(b"")
        elif is_whole:
            self._take_end()
        return True

    def _hand_on(self) -> bool:
        """Begins to return the bytes that came instead of a response, if the host has them."""
        first = memoryview(bytearray(_CHUNK))
        try:
            chunk = self._channel.read_into(self._handle, first)
        except ChannelError as error:
            if error.code == CLOSED:
                return False
            self._fail(error)
            return True
        self._plan = UNFRAMED
        self._state = _State.BODY
        self._inbox.append(bytes(first[: chunk.size]))
        if chunk.end:
            self._finish()
        return True

    @property
    def unframed(self) -> bool:
        """Whether only the program can tell where the response ends."""
        return self._plan is UNFRAMED

    def _read_body(self, view: memoryview, wait_ns: int) -> int | None:
        """Reads into `view`, or into the inbox if something has to be put around the bytes."""
        assert self._plan is not None
        framing = self._plan.framing
        if framing is Framing.CHUNKED:
            return self._read_chunk(view, wait_ns)
        view = view[: min(self._left, _MAX_READ) if framing is Framing.LENGTH else _MAX_READ]
        got, chunk = self._read_bytes(view, wait_ns)
        if framing is Framing.LENGTH and got:
            self._left -= got
            if not self._left and (chunk is None or not chunk.end):
                self._take_end()
        if chunk is not None and chunk.end:
            self._body_end(chunk.trailers)
        return got or None

    def _read_chunk(self, view: memoryview, wait_ns: int) -> int | None:
        """Reads what is there, and makes one chunk of it."""
        is_small = len(view) < _LEAST_CHUNK
        if is_small:
            whole = self._chunk = self._chunk or memoryview(bytearray(_CHUNK))
        else:
            whole = view[:_MAX_READ]
        before = len(chunk_head(len(whole)))
        got, chunk = self._read_bytes(whole[before : -len(CHUNK_END)], wait_ns)
        size = 0
        if got:
            head = chunk_head(got)
            end = len(head) + got
            if len(head) < before:
                whole[len(head) : end] = whole[before : before + got]
            whole[: len(head)] = head
            size = end + len(CHUNK_END)
            whole[end:size] = CHUNK_END
            if is_small:
                self._inbox.append(bytes(whole[:size]))
        if chunk is not None and chunk.end:
            self._body_end(chunk.trailers)
        return None if is_small or not size else size

    def _read_bytes(self, view: memoryview, wait_ns: int) -> tuple[int, Chunk | None]:
        """Reads bytes of the body into `view`; a frame is needed where they do not say all."""
        if not (self._trickles and wait_ns):
            got = self._channel.take(self._handle, view)
            if got > 0:
                self._trickles = got < _TRICKLE
                return got, None
            if got == ch.NOTHING and not wait_ns:
                return 0, None
        try:
            chunk = self._channel.read_into(self._handle, view, wait_ns)
        except ChannelError as error:
            self._fail(error)
            return 0, None
        self._trickles = chunk.size < _TRICKLE
        self._open = self._open and not chunk.closed
        return chunk.size, chunk

    def _body_end(self, trailers: bytes) -> None:
        assert self._plan is not None
        if self._plan.framing is Framing.CHUNKED:
            self._inbox.append(last_chunk(trailers))
        elif self._plan.framing is Framing.LENGTH and self._left:
            self.over = True
        self._finish()

    def _take_end(self) -> None:
        """Reads the end of a body, which the program knows already, so that the host knows it."""
        self._state = _State.ENDING
        if self._plan is not None and not self._plan.keep_alive:
            self.over = True
        try:
            chunk = self._channel.read_into(self._handle, memoryview(bytearray(1)), 0)
        except ChannelError:
            self.over = True  # the response is whole, but not the connection
        else:
            if chunk.pending:
                return
            self._open = self._open and not chunk.closed
            self.over |= not chunk.end or chunk.size > 0
        self._finish()

    def _finish(self) -> None:
        self._state = _State.DONE
        if self._dropping or (self._plan is not None and not self._plan.keep_alive):
            self.over = True
        self.release()

    def _fail(self, error: ChannelError) -> None:
        if error.code == PROTOCOL:
            # The program's own HTTP client says what is wrong with these bytes.
            if self._state is _State.HEAD:
                self._inbox.append(error.rest)
                if error.rest.startswith(b"HTTP/1."):
                    # A reader must not take this for the end of the head or the body.
                    self._failure = exception_for(error, self._host)
            elif self._plan is not None and self._plan.framing is Framing.CHUNKED and error.rest:
                self._inbox.append(broken_chunk(error.rest))
        elif error.code != CLOSED:
            self._failure = exception_for(error, self._host)
        self.over = self._dropping = True
        self._queue.clear()
        self._state = _State.DONE
        self.release(abandon=True)

    def settle(self, deadline: Deadline) -> None:
        """Waits until the host, too, knows that the response is over."""
        while self._state is _State.ENDING:
            wait(self._channel, [(self._handle, ch.BODY)], deadline)
            self._take_end()

    # Readiness.

    def watch(self, wanted: int) -> tuple[int, int]:
        """Returns which of `wanted` are ready, and the interests that will report the rest."""
        ready = interests = 0
        if self._queue:
            interests |= ch.WRITABLE
        elif wanted & WRITABLE:
            if self._state is _State.ENDING and self._body_ended:
                interests |= ch.BODY  # the next request waits for the end of this one
            else:
                ready |= WRITABLE
        if wanted & READABLE:
            if self._inbox or self._failure is not None or self.over:
                ready |= READABLE
            elif self._state is _State.HEAD:
                interests |= ch.PHASE
            elif self._state is _State.BODY:
                interests |= ch.BODY
        return ready, interests

    def entry(self, interests: int) -> Entry:
        """Returns the poll entry for `interests`."""
        return self._handle, interests

    def notice(self, interests: int) -> int:
        """Notes that `interests` are ready; returns what the program can do now."""
        if interests & ch.WRITABLE:
            self.flush()
        if self._state is _State.ENDING:
            self._take_end()
            return 0 if self._state is _State.ENDING else WRITABLE
        ready = READABLE if interests & (ch.PHASE | ch.BODY) else 0
        if self._failure is not None or self.over:
            ready |= READABLE
        return ready if self._queue else ready | WRITABLE

    # The end.

    def release(self, *, abandon: bool = False) -> None:
        """Returns the handle when both directions are over, or at once to `abandon` it."""
        if self._open and (abandon or self._dropping or self._finished):
            self._open = False
            self._channel.close(self._handle)
