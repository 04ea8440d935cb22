"""A real server on the loopback, reached through a fake host that makes real requests."""

import contextlib
import threading
from collections.abc import Iterator

from fake_host import Answer, Failure, Seen
from support import BaseHTTPRequestHandler, ThreadingHTTPServer, stock_http_client


class Handler(BaseHTTPRequestHandler):
    """Answers with what it received, in the way that the path names."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self) -> None:
        body = self._body()
        if self.path == "/echo":
            text = body
        elif self.path == "/headers":
            text = "".join(f"{name}: {value}\n" for name, value in self.headers.items()).encode()
        elif self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/headers")
            self.send_header("Content-Length", "0")
            self.send_header("Set-Cookie", "a=1; Path=/")
            self.send_header("Set-Cookie", "b=2; Path=/")
            self.end_headers()
            return
        elif self.path.startswith("/bytes/"):
            text = bytes(range(256)) * (int(self.path.rpartition("/")[2]) // 256)
        else:
            self.send_error(404)
            return
        self.send_response(200)
        if self.path == "/headers":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for line in text.splitlines(keepends=True):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _answer


class Server:
    """Returns the server, and the handler with which a site passes requests on to it."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def carry(self, seen: Seen) -> Answer:
        """Makes the real request."""
        connection = stock_http_client.HTTPConnection(*self._server.server_address[:2])
        connection.putrequest(seen.method, seen.path, skip_host=True, skip_accept_encoding=True)
        for name, value in seen.fields:
            connection.putheader(name, value)
        if seen.kind == 1:
            connection.putheader("Content-Length", str(seen.size))
        elif seen.kind == 2:
            connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        body = bytes(seen.body)
        if seen.kind == 2:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        if body:
            connection.send(body)
        response = connection.getresponse()
        fields = tuple(response.headers.items())
        reason = response.reason.encode("latin-1")
        return Answer(response.status, fields, self._read(response, connection), 11, reason)

    @staticmethod
    def _read(
        response: stock_http_client.HTTPResponse, connection: stock_http_client.HTTPConnection
    ) -> Iterator[bytes | Failure]:
        with contextlib.closing(connection), response:
            while data := response.read1(65536):
                yield data
