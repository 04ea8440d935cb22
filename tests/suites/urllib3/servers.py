"""The servers of urllib3's tests: its dummyserver."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import hypercorn_tls
from certificate_servers import encrypted_key, issue_cert, new_ca, new_child_ca
from dummyserver import socketserver
from dummyserver.app import hypercorn_app
from dummyserver.asgi_proxy import ProxyApp
from dummyserver.hypercornserver import run_hypercorn_in_thread
from event_servers import changes, event, events, fill, new_event, unpackers
from parcel import Unpacker

__all__ = [
    "changes",
    "encrypted_key",
    "event",
    "fill",
    "issue_cert",
    "new_ca",
    "new_child_ca",
    "new_event",
]

hypercorn_tls.install()

ROOT = str(Path(socketserver.__file__).parent.parent)

#: How many seconds a handler has after the end of its test.
PATIENCE = 0.3

_stacks: dict[int, contextlib.ExitStack] = {}
_threads: dict[int, threading.Thread] = {}


def start_hypercorn(
    host: str, certificates: list[Any], proxy: bool, upstream: list[Any]
) -> dict[str, int]:
    """Starts the application or the proxy; returns a number, and the port."""
    unpacker = Unpacker(ROOT, {})
    settings = unpacker.unpack(certificates)
    if settings and "cert_reqs" in settings:
        settings["cert_reqs"] = ssl.VerifyMode(settings["cert_reqs"])
    app: Any = ProxyApp(unpacker.unpack(upstream)) if proxy else hypercorn_app
    number = len(_stacks)
    _stacks[number] = contextlib.ExitStack()
    port = _stacks[number].enter_context(run_hypercorn_in_thread(host, settings, app))
    return {"number": number, "port": port}


def stop_hypercorn(number: int) -> None:
    """Ends it."""
    _stacks[number].close()


class HandlerThread(socketserver.SocketServerThread):
    """As its base class, with room for all attempts of a client to connect."""

    def _start_server(self) -> None:
        with socket.socket() as listener:
            listener.bind((self.host, 0))
            self.port = listener.getsockname()[1]
            listener.listen(16)
            self.ready_event.set()
            self.socket_handler(listener)


def start_socket_server(handler: list[Any], host: str, quit_event: int | None) -> dict[str, int]:
    """Runs a test's handler in a thread that listens; returns a number, and the port."""
    unpacker = Unpacker(ROOT, events)
    ready = threading.Event()
    thread = HandlerThread(
        socket_handler=unpacker.unpack(handler),
        host=host,
        ready_event=ready,
        quit_event=None if quit_event is None else events[quit_event],
    )
    thread.start()
    if not ready.wait(5):
        raise RuntimeError("the thread of the server does not listen")
    number = len(_threads)
    _threads[number] = thread
    unpackers[number] = unpacker
    return {"number": number, "port": thread.port}


def join(number: int) -> None:
    """Waits for the end of a handler, and ends one that does not end by itself."""
    thread = _threads[number]
    thread.join(PATIENCE)
    if thread.is_alive():
        # A handler whose test failed may wait without limit for the end of its connection.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
        )
