"""The servers of a library's tests, in a process outside the sandbox: `serve.py LIBRARY ROOT`.

The servers come from the sdist at ROOT, or from packages of its authors; `LIBRARY/servers.py` has
the functions that start and end them. The tests call these over HTTP, with `outside.py`. The first
line of stdout is the port; the end of stdin ends the process.
"""

from __future__ import annotations

import http.server
import importlib
import json
import os
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType

#: Set by `main`: the functions that may be called.
FUNCTIONS: ModuleType


class Calls(http.server.BaseHTTPRequestHandler):
    """Answers `POST /NAME` with the result of the function NAME for the body's arguments."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Handles one call."""
        arguments = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            status, result = 200, getattr(FUNCTIONS, self.path.removeprefix("/"))(**arguments)
        except Exception:
            status, result = 500, traceback.format_exc()
        body = json.dumps(result).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Logs nothing."""


def main() -> None:
    """Serves until the end of stdin."""
    global FUNCTIONS
    library, root = sys.argv[1:]
    folder = Path(__file__).absolute().parent / library
    sys.path[:0] = [str(folder), root]
    # Tests name files of the sdist by relative paths.
    os.chdir(root)
    FUNCTIONS = importlib.import_module("servers")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Calls)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    # Servers in threads of any kind end with the process.
    os._exit(0)


if __name__ == "__main__":
    main()
