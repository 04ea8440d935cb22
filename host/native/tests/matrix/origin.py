"""Serves the matrix: HTTP, HTTPS with a CA of its own, and names that lead to loopback.

Prints the ports and the CA's file as one line of JSON, and runs until its standard input ends.
"""

import base64
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

NAMES = ("good.test", "git.test")
# At loopback as well, and the certificate is not for it.
WRONG_NAME = "wrong.test"


class Origin(BaseHTTPRequestHandler):
    """Answers with what was asked."""

    protocol_version = "HTTP/1.1"
    files = ""
    # One byte for each request.
    seen = -1

    def log_message(self, *_):
        """Says nothing."""

    def _body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                parts.append(self.rfile.read(size))
                self.rfile.readline()
                if not size:
                    return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _send(self, status, body, fields=()):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _echo(self):
        body = self._body()
        told = {
            "method": self.command,
            "target": self.path,
            "fields": [[name, value] for name, value in self.headers.items()],
            "body": base64.b64encode(body).decode(),
        }
        self._send(200, json.dumps(told).encode(), [("Content-Type", "application/json")])

    def _stream(self, count):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(count):
            piece = f"{number:06}".encode() * 1000
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _file(self, path):
        file = os.path.join(self.files, path.lstrip("/"))
        file = os.path.join(file, "index.html") if path.endswith("/") else file
        if not os.path.isfile(file):
            return self._send(404, b"no such file")
        with open(file, "rb") as opened:
            kind = "text/html" if file.endswith(".html") else "application/octet-stream"
            return self._send(200, opened.read(), [("Content-Type", kind)])

    def do_any(self):
        """Answers any method."""
        os.write(self.seen, b".")
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if parts.path == "/redirect":
            self._body()
            return self._send(302, b"", [("Location", "/echo?redirected=1")])
        if parts.path == "/cookie":
            self._body()
            cookies = [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/echo")]
            return self._send(200, b"cookies", cookies)
        if parts.path == "/status":
            self._body()
            return self._send(int(query["code"][0]), b"as you wish")
        if parts.path == "/basic" and "Authorization" not in self.headers:
            self._body()
            return self._send(401, b"who?", [("WWW-Authenticate", 'Basic realm="r"')])
        if parts.path == "/hang":
            return time.sleep(60)
        if parts.path == "/stream":
            return self._stream(int(query["count"][0]))
        if self.files and parts.path.startswith("/repository.git/"):
            return self._file(parts.path)
        if parts.path.startswith("/simple/"):
            return self._file(parts.path)
        return self._echo()

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = do_any


class Server(ThreadingHTTPServer):
    """A server that does not print errors of clients that leave."""

    daemon_threads = True

    def handle_error(self, *_):
        """Says nothing."""


def certificates(directory):
    """Makes a CA, and a certificate of it for all names."""
    ca, key, leaf = (os.path.join(directory, name) for name in ("ca.pem", "ca.key", "leaf.pem"))
    own, request, names = (os.path.join(directory, end) for end in ("l.key", "l.csr", "l.ext"))
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    root = ["-x509", "-days", "2", "-subj", "/CN=matrix CA", "-keyout", key, "-out", ca]
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["openssl", "req", *curve, *usage, *root], **quiet)
    wish = ["-subj", "/CN=good.test", "-keyout", own, "-out", request]
    subprocess.run(["openssl", "req", *curve, *wish], **quiet)
    with open(names, "w") as file:
        file.write("subjectAltName=" + ",".join("DNS:" + name for name in NAMES) + "\n")
        file.write("authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
    sign = ["-req", "-in", request, "-CA", ca, "-CAkey", key, "-CAcreateserial"]
    more = ["-out", leaf, "-days", "2", "-extfile", names]
    subprocess.run(["openssl", "x509", *sign, *more], **quiet)
    return ca, leaf, own


def answer_names(sock):
    """Answers each A query with 127.0.0.1, and others with nothing."""
    while True:
        query, client = sock.recvfrom(2048)
        end = query.index(b"\0", 12) + 1
        (kind,) = struct.unpack("!H", query[end : end + 2])
        name = query[12:end].lower()
        known = any(bytes(one.split(".")[0], "ascii") in name for one in (*NAMES, WRONG_NAME))
        found = kind == 1 and known
        flags = 0x8180 if known else 0x8183
        head = query[:2] + struct.pack("!HHHHH", flags, 1, int(found), 0, 0)
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 0, 4) + bytes([127, 0, 0, 1])
        sock.sendto(head + query[12 : end + 4] + (record if found else b""), client)


def serve(context=None):
    """Starts a server; returns its port."""
    server = Server(("127.0.0.1", 0), Origin)
    if context is not None:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def main():
    """Serves until standard input ends."""
    directory, Origin.files = sys.argv[1:3]
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    Origin.seen = os.open(os.path.join(directory, "seen"), flags, 0o600)
    ca, leaf, key = certificates(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf, key)
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 0))
    threading.Thread(target=answer_names, args=(names,), daemon=True).start()
    told = {"http": serve(), "https": serve(context), "dns": names.getsockname()[1], "ca": ca}
    print(json.dumps(told), flush=True)
    sys.stdin.read()


main()
