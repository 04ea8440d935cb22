"""The servers of `test_against_stdlib_http.py`."""

from contextlib import ExitStack

from h11.tests import test_against_stdlib_http as tests

_running = ExitStack()


def start(handler: str) -> list[object]:
    """Starts a server with one of the test module's handlers, and returns its address."""
    server = _running.enter_context(tests.socket_server(getattr(tests, handler)))
    return list(server.server_address)
