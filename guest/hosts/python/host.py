"""A host of `sandbox:net` in Python, on wasmtime-py: an example of another implementation.

`python3 host.py COMPONENT [--allow URL]… [--trust PEM] [-- ARGUMENT…]` runs a command of WASI. The
guest gets its arguments, a standard output, a clock that waits, and the network of `network.py`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from network import BUFFER, CHANGED, Connection, Exchange, Failure, Lookup, Policy, limit
from wasmtime import Engine, Store
from wasmtime.component import (
    Component,
    Linker,
    Record,
    ResourceAny,
    ResourceHost,
    ResourceType,
    Variant,
)

KINDS = {
    "error": 1,
    "pollable": 2,
    "input-stream": 3,
    "output-stream": 4,
    "connection": 5,
    "lookup": 6,
    "exchange": 7,
}


class Pollable:
    """Something that becomes ready, at a time or with a change of state."""

    def __init__(self, is_ready: Callable[[], bool], at: float | None = None) -> None:
        self.is_ready, self.at = is_ready, at


def wait(pollables: list[Pollable]) -> list[int]:
    """Waits until some are ready; which ones."""
    with CHANGED:
        while True:
            ready = [index for index, one in enumerate(pollables) if one.is_ready()]
            if ready:
                return ready
            times = [one.at for one in pollables if one.at is not None]
            CHANGED.wait(max(0.0, min(times) - time.monotonic()) if times else None)


class InputStream:
    """The body of a response."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.has_failed = False

    def is_ready(self) -> bool:
        return bool(self.exchange.incoming) or self.exchange.is_over

    def read(self, size: int) -> bytes | str:
        """Bytes, or how the stream ended."""
        with CHANGED:
            incoming = self.exchange.incoming
            if incoming:
                piece = bytes(incoming[:size])
                del incoming[: len(piece)]
                CHANGED.notify_all()
                return piece
            if not self.exchange.is_over:
                return b""
            if self.exchange.failure and not self.has_failed:
                self.has_failed = True
                return "failed"
            return "closed"

    def drop(self) -> None:
        # Nobody reads the rest.
        self.exchange.cancel()


class OutputStream:
    """The body of a request."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        exchange.output_open = True

    def has_failed(self) -> bool:
        return self.exchange.is_over and self.exchange.failure is not None

    def room(self) -> int:
        return BUFFER - len(self.exchange.outgoing)

    def is_ready(self) -> bool:
        return self.has_failed() or self.room() > 0

    def write(self, piece: bytes) -> bool:
        """Whether it was taken."""
        exchange = self.exchange
        with CHANGED:
            if exchange.kind == "sized" and len(piece) > exchange.left:
                exchange.end(Failure("invalid", "more bytes were written than announced"))
                exchange.connection.close()
            if self.has_failed():
                return False
            exchange.left -= len(piece) if exchange.kind == "sized" else 0
            exchange.outgoing += piece
            CHANGED.notify_all()
        return True

    def drop(self) -> None:
        self.exchange.output_open = False


class Stdout:
    """The standard output of this process."""

    def is_ready(self) -> bool:
        return True

    def room(self) -> int:
        return BUFFER

    def has_failed(self) -> bool:
        return False

    def write(self, piece: bytes) -> bool:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return True


def record(**fields: Any) -> Record:
    made = Record()
    made.__dict__.update({name.replace("_", "-"): value for name, value in fields.items()})
    return made


def error_code(failure: Failure) -> Variant:
    """A failure as the guest sees it."""
    payload = failure.payload
    if failure.case == "tls":
        # The package tells these two cases apart by their types.
        payload = payload[1]
    elif isinstance(payload, dict):
        payload = record(**payload)
    return Variant(failure.case, payload)


def plain(value: Any) -> Any:
    """A record of the guest as a dictionary."""
    return vars(value) if isinstance(value, Record) else value


class Host:
    """The resources of one guest, and the functions that it imports."""

    def __init__(self, policy: Policy, arguments: list[str]) -> None:
        self.policy, self.arguments = policy, arguments
        self.resources: dict[int, Any] = {}
        self.last = 0
        self.open = 0

    def own(self, store: Any, kind: str, value: Any) -> ResourceAny:
        self.last += 1
        self.resources[self.last] = value
        return ResourceHost.own(self.last, KINDS[kind]).to_any(store)

    def drop(self, _: Any, rep: int) -> None:
        value = self.resources.pop(rep)
        if isinstance(value, Connection):
            self.open -= 1
            value.close()
        elif isinstance(value, Exchange):
            value.cancel()
        elif isinstance(value, InputStream | OutputStream):
            value.drop()

    def stream_error(self, store: Any, end: str) -> ResourceAny | None:
        return self.own(store, "error", end) if end == "failed" else None

    def functions(self) -> dict[str, dict[str, Callable[..., Any]]]:
        return {
            "wasi:cli/environment": {"get-arguments": lambda _: self.arguments},
            "wasi:cli/stdout": {"get-stdout": lambda s: self.own(s, "output-stream", Stdout())},
            "wasi:clocks/monotonic-clock": {"subscribe-duration": self.timer},
            "wasi:io/poll": {
                "[method]pollable.block": lambda _, pollable: wait([pollable]) and None,
                "[method]pollable.ready": lambda _, pollable: pollable.is_ready(),
                "poll": lambda _, pollables: wait(pollables),
            },
            "wasi:io/streams": {
                "[method]input-stream.read": self.read,
                "[method]input-stream.subscribe": self.subscribe,
                "[method]output-stream.check-write": self.check_write,
                "[method]output-stream.write": self.write,
                "[method]output-stream.blocking-write-and-flush": self.write,
                "[method]output-stream.flush": lambda _, stream: Variant("ok"),
                "[method]output-stream.subscribe": self.subscribe,
            },
            "sandbox:net/client": {
                "resolve": self.resolve,
                "connect": self.connect,
                "request": self.request,
                "close": lambda _, connection: None,
                "[method]lookup.subscribe": self.subscribe_job,
                "[method]lookup.status": lambda _, lookup: status(lookup),
                "[method]lookup.addresses": lambda _, lookup: [],
                "[method]connection.subscribe": lambda s, c: self.subscribe_job(s, c.phase),
                "[method]connection.status": lambda _, c: status(c.phase),
                "[method]connection.start-tls": self.start_tls,
                "[method]connection.tls": self.tls,
                "[method]exchange.body": self.body,
                "[method]exchange.finish-body": self.finish_body,
                "[method]exchange.subscribe": self.subscribe_exchange,
                "[method]exchange.continued": self.continued,
                "[method]exchange.head": self.head,
                "[method]exchange.response-body": self.response_body,
                "[method]exchange.trailers": self.trailers,
                "[method]exchange.failure": self.failure,
            },
        }

    def timer(self, store: Any, nanoseconds: int) -> ResourceAny:
        at = time.monotonic() + nanoseconds / 1e9
        return self.own(store, "pollable", Pollable(lambda: time.monotonic() >= at, at))

    def subscribe(self, store: Any, stream: InputStream | OutputStream | Stdout) -> ResourceAny:
        return self.own(store, "pollable", Pollable(stream.is_ready))

    def subscribe_job(self, store: Any, job: Any) -> ResourceAny:
        return self.own(store, "pollable", Pollable(lambda: job.is_over))

    def subscribe_exchange(self, store: Any, exchange: Exchange) -> ResourceAny:
        def is_ready() -> bool:
            was_asked = exchange.was_asked and not exchange.asked_told
            has_head = exchange.response is not None and not exchange.head_taken
            return was_asked or has_head or exchange.is_over

        return self.own(store, "pollable", Pollable(is_ready))

    def read(self, store: Any, stream: InputStream, size: int) -> Any:
        got = stream.read(min(size, BUFFER))
        return got if isinstance(got, bytes) else self.stream_error(store, got)

    def check_write(self, store: Any, stream: OutputStream | Stdout) -> Any:
        return self.stream_error(store, "failed") if stream.has_failed() else max(0, stream.room())

    def write(self, store: Any, stream: OutputStream | Stdout, piece: bytes) -> Variant:
        if stream.write(piece):
            return Variant("ok")
        return Variant("err", self.stream_error(store, "failed"))

    def resolve(self, store: Any, host: str) -> ResourceAny:
        return self.own(store, "lookup", Lookup(self.policy, host))

    def connect(self, store: Any, host: str, port: int, options: Record) -> ResourceAny:
        connections = self.policy.connections
        if self.open >= connections:
            raise limit("connections", connections)
        timeout = plain(options)["timeout"]
        connection = Connection(self.policy, host, port, timeout)
        self.open += 1
        return self.own(store, "connection", connection)

    def request(self, store: Any, on: Connection, head: Record, body: Variant) -> ResourceAny:
        exchange = Exchange(on, plain(head), (body.tag, body.payload))
        return self.own(store, "exchange", exchange)

    def start_tls(self, _: Any, connection: Connection, name: str, options: Record) -> None:
        connection.start_tls(name, plain(options))

    def tls(self, _: Any, connection: Connection) -> Record | None:
        info = connection.tls()
        return None if info is None else record(**info)

    def body(self, store: Any, exchange: Exchange) -> ResourceAny:
        if exchange.kind == "none":
            raise Failure("invalid", "the request has no body")
        if exchange.output_taken or exchange.is_finished:
            raise Failure("closed")
        exchange.output_taken = True
        return self.own(store, "output-stream", OutputStream(exchange))

    def finish_body(self, _: Any, exchange: Exchange) -> None:
        exchange.finish()

    def continued(self, _: Any, exchange: Exchange) -> bool:
        told, exchange.asked_told = exchange.asked_told, exchange.was_asked
        return exchange.was_asked and not told

    def head(self, _: Any, exchange: Exchange) -> Record | None:
        response = exchange.take_head()
        return None if response is None else record(**response._asdict())

    def response_body(self, store: Any, exchange: Exchange) -> ResourceAny:
        if not exchange.head_taken:
            raise Failure("invalid", "the head comes before the body")
        if exchange.input_taken or isinstance(exchange.response, Failure):
            raise Failure("closed")
        exchange.input_taken = True
        return self.own(store, "input-stream", InputStream(exchange))

    def trailers(self, _: Any, exchange: Exchange) -> Any:
        if not exchange.is_over or exchange.incoming:
            return None
        if exchange.failure:
            raise exchange.failure
        return exchange.trailers

    def failure(self, _: Any, exchange: Exchange, error: Any) -> Variant | None:
        failed = exchange.is_over and exchange.failure
        return error_code(exchange.failure) if failed and exchange.failure else None


def status(job: Any) -> Variant:
    """How a job ended, as `option<result<_, error-code>>`."""
    if not job.is_over:
        return Variant("none")
    return Variant("some", error_code(job.failure) if job.failure else None)


def guarded(host: Host, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function as the linker calls it: with resources for handles, and failures as results."""

    def call(store: Any, *arguments: Any) -> Any:
        given: list[int] = []

        def value(argument: Any) -> Any:
            if isinstance(argument, list):
                return [value(one) for one in argument]
            if not isinstance(argument, ResourceAny):
                return argument
            # This ends what was lent; what was given has to be dropped here.
            handle = argument.to_host(store)
            if handle.owned:
                given.append(handle.rep)
            return host.resources[handle.rep]

        try:
            with CHANGED:
                values = [value(argument) for argument in arguments]
            return function(store, *values)
        except Failure as failure:
            return error_code(failure)
        finally:
            for rep in given:
                host.drop(store, rep)

    return call


RESOURCES = {
    "wasi:io/error": ["error"],
    "wasi:io/poll": ["pollable"],
    "wasi:io/streams": ["input-stream", "output-stream"],
    "sandbox:net/client": ["connection", "lookup", "exchange"],
}


def link(engine: Engine, host: Host) -> Linker:
    """The interfaces, and no others."""
    linker = Linker(engine)
    functions = host.functions()
    with linker.root() as root:
        root.add_instance("sandbox:net/types@0.1.0").close()
        for name in sorted({*functions, *RESOURCES}):
            version = "0.1.0" if name.startswith("sandbox:") else "0.2.12"
            with root.add_instance(f"{name}@{version}") as instance:
                for resource in RESOURCES.get(name, []):
                    kind = ResourceType.host(KINDS[resource])
                    instance.add_resource(resource, kind, host.drop)
                for function, implementation in functions.get(name, {}).items():
                    instance.add_func(function, guarded(host, implementation))
    return linker


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("component")
    parser.add_argument("--allow", action="append", default=[], metavar="http://HOST:PORT")
    parser.add_argument("--trust", metavar="PEM", help="the roots; without it those of the system")
    parser.add_argument("--deadline", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--connections", type=int, default=256)
    own, _, others = "\0".join(sys.argv[1:]).partition("\0--\0")
    given = parser.parse_args(own.split("\0"))
    policy = Policy(frozenset(given.allow), given.trust, given.deadline, given.connections)
    engine = Engine()
    host = Host(policy, [given.component, *filter(None, others.split("\0"))])
    store = Store(engine)
    component = Component.from_file(engine, given.component)
    instance = link(engine, host).instantiate(store, component)
    interface = instance.get_export_index(store, "wasi:cli/run@0.2.12")
    index = instance.get_export_index(store, "run", interface)
    run = None if index is None else instance.get_func(store, index)
    if run is None:
        raise SystemExit(f"{given.component} exports no wasi:cli/run")
    ended = run(store)
    return 0 if ended.tag == "ok" else 1


if __name__ == "__main__":
    sys.exit(main())
