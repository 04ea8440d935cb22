"""Answers the host turn by turn: the guest's half of a session.

The host calls the entry `turn` with a request, and reads the reply from the memory. What the bytes
mean stands in `session_wire.py`. All of this is for the program's comfort: the host checks what it
reads, and limits what a turn may take.
"""

import json
from typing import Any

from . import completion, entry, forked, session_wire
from .interactive import Interactive
from .session_wire import Mailbox, Reply, Request

_inside: dict[str, Any] = {}
_former_turn: Any = None
_session: Interactive | None = None
_mailbox = Mailbox()


def adapt() -> None:
    """Lets the entry answer a host's requests, besides what it is told otherwise."""
    global _inside, _former_turn
    inside = entry.find()
    if inside is None:
        return
    _inside, _former_turn = inside, entry.detach_turn(inside)
    inside[entry.TURN] = turn


def turn(source: bytes | None, environ: Any) -> tuple[int, bool]:
    """One turn: its status, and whether the entry shall quit."""
    if source is not None and not session_wire.is_request(source):
        former: tuple[int, bool] = _former_turn(source, environ)
        return former
    try:
        return _turn(source)
    except KeyboardInterrupt:
        # It came before the program's own code, or after it.
        name = KeyboardInterrupt.__name__
        body = Reply(session_wire.LEAST).interrupted(name, "", name + "\n")
        _mailbox.put(Request(source).number if source else 0, body)
        return 0, False


def _turn(source: bytes | None) -> tuple[int, bool]:
    if source is None:
        # The host takes it for the reply that it is not, and ends the session.
        return 1, False
    request = Request(source)
    if request.operation == session_wire.ADDRESS:
        return _mailbox.address(request.number), False
    reply = Reply(request.limit)
    try:
        body = _carry_out(request, reply)
    except (MemoryError, RecursionError) as error:
        body = reply.failed(error)
    _mailbox.put(request.number, body)
    return 0, False


def _carry_out(request: Request, reply: Reply) -> bytes:
    global _session
    if request.operation == session_wire.START:
        begin = json.loads(request.text())
        unbuffered = bool(request.flags & session_wire.UNBUFFERED)
        _session = Interactive(_inside, begin["arguments"], begin["variables"], unbuffered)
        return reply.done()
    session = _session
    if session is None:
        return reply.failed(RuntimeError("the session has not begun"))
    if request.operation == session_wire.EXECUTE:
        return session.execute(request, reply)
    if request.operation == session_wire.COMPLETE:
        return reply.listed(completion.candidates(session.namespace, request.text()))
    if request.operation == session_wire.IS_COMPLETE:
        return reply.listed([completion.is_complete(request.text(), session.flags)])
    if request.operation == session_wire.END:
        session.end(0)
    if request.operation == session_wire.LOOK:
        forked.look()
        return reply.done()
    if request.operation == session_wire.FORKED:
        forked.start(bool(request.flags & session_wire.HAS_OPEN), request.text())
        return reply.done()
    return reply.failed(RuntimeError(f"the operation {request.operation} is unknown"))
