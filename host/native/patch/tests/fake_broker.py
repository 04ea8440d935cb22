"""A scripted broker: `CONNECT`, the API and TLS as `ISSUE14` has them, without any policy."""

import contextlib
import json
import os
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

TOKEN = "7" * 64
ALERT_EXPIRED = b"\x15\x03\x03\x00\x02\x02\x2d"


class Authority:
    """A CA of the tests, and certificates of it."""

    def __init__(self, directory):
        self.directory = directory
        self.file = os.path.join(directory, "ca.pem")
        self._key = os.path.join(directory, "ca.key")
        usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        self._request(self._key, self.file, "/CN=test run CA", ["-x509", "-days", "2", *usage])
        self._contexts = {}
        self._lock = threading.Lock()

    def _request(self, key, out, subject, more):
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        base = ["openssl", "req", "-keyout", key, "-out", out, "-subj", subject]
        subprocess.check_output(base + curve + more, stderr=subprocess.STDOUT)

    def context(self, host):
        """Returns the server's side of TLS for a host."""
        with self._lock:
            if host not in self._contexts:
                self._contexts[host] = self._make(host)
            return self._contexts[host]

    def _make(self, host):
        base = os.path.join(self.directory, host)
        key, request, leaf, names = (base + end for end in (".key", ".csr", ".pem", ".ext"))
        self._request(key, request, "/CN=" + host, [])
        kind = "IP" if host[:1].isdigit() else "DNS"
        with open(names, "w") as file:
            file.write(f"subjectAltName={kind}:{host}\n")
            file.write("authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
        sign = ["openssl", "x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key]
        more = ["-CAcreateserial", "-out", leaf, "-days", "2", "-extfile", names]
        subprocess.check_output(sign + more, stderr=subprocess.STDOUT)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf, key)
        return context


class Host:
    """What the broker does for one name."""

    def __init__(
        self, addresses=("203.0.113.7",), error=None, lookup_error=None, then="http", delay=0
    ):
        self.addresses = list(addresses)
        # The answer to CONNECT.
        self.error = error
        self.lookup_error = lookup_error
        # After CONNECT: "http", "greet", "reset", "eof", or an error that ends the connection.
        self.then = then
        # Before the answer to CONNECT.
        self.delay = delay
        self.peer = None


class FakeBroker:
    """Listens on TCP, or on a Unix socket, in threads of its own."""

    def __init__(self, hosts, path=None, token=TOKEN, garbage=None, family=socket.AF_INET):
        self.hosts = hosts
        self.token = token
        self.garbage = garbage
        self.calls = []
        self.errors = {}
        self.path = path
        self._next = 0
        if path:
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(path)
        else:
            self._listener = socket.socket(family, socket.SOCK_STREAM)
            self._listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
            self.port = self._listener.getsockname()[1]
        self._listener.listen(64)
        self._open = []
        self.authority = None
        threading.Thread(target=self._accept, daemon=True).start()

    def environment(self):
        """The variables with which a program finds it."""
        found = {"SANDBOX_NET_BROKER_TOKEN": self.token}
        if self.path:
            found["SANDBOX_NET_BROKER_SOCKET"] = self.path
        else:
            found["SANDBOX_NET_BROKER_PORT"] = str(self.port)
        if self.authority is not None:
            found["SANDBOX_NET_CA"] = self.authority.file
        return found

    def close(self):
        """Stops, with all its connections."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
        self._listener.close()
        self.drop()

    def drop(self):
        """Ends all connections, as a broker that dies."""
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                one, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(one)
            threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, one):
        try:
            if self.garbage is not None:
                one.sendall(self.garbage)
                one.recv(65536)
                one.close()
                return
            head, rest = read_head(one)
            if head is not None:
                self._answer(one, head, rest)
        except OSError:
            pass
        finally:
            one.close()

    def _answer(self, one, head, rest):
        method, target = head[0].split(" ")[:2]
        fields = fields_of(head)
        self.calls.append((method, target, fields))
        given = fields.get("proxy-authorization" if method == "CONNECT" else "authorization", "")
        if given != "Bearer " + self.token:
            status = "407 Proxy Authentication Required" if method == "CONNECT" else "401 No"
            error = {"code": "unauthorized", "message": "the token is wrong"}
            return self._send(one, status, {"error": error})
        if method == "CONNECT":
            return self._connect(one, target)
        if target == "/api/resolve":
            body = read_body(one, fields, rest)
            return self._resolve(one, json.loads(body.decode())["host"])
        if target.startswith("/api/connections/"):
            name = target.rpartition("/")[2]
            if name not in self.errors:
                return self._send(one, "404 Not Found", {"error": {"code": "not-found"}})
            return self._send(one, "200 OK", {"error": self.errors[name]})
        return self._send(one, "404 Not Found", {"error": {"code": "not-found"}})

    def _send(self, one, status, value):
        body = json.dumps(value).encode()
        head = "HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
        one.sendall(head.format(status, len(body)).encode() + body)

    def _resolve(self, one, name):
        host = self.hosts.get(name)
        if host is None:
            error = {"code": "dns", "failure": "not-found", "message": "no such name"}
            return self._send(one, "502 Bad Gateway", {"error": error})
        if host.lookup_error is not None:
            return self._send(one, "403 Forbidden", {"error": host.lookup_error})
        return self._send(one, "200 OK", {"addresses": host.addresses})

    def _connect(self, one, target):
        name, _, port = target.rpartition(":")
        host = self.hosts.get(name.strip("[]"))
        if host is None:
            error = {"code": "dns", "failure": "not-found", "message": "no such name"}
            return self._send(one, "502 Bad Gateway", {"error": error})
        time.sleep(host.delay)
        if host.error is not None:
            return self._send(one, "403 Forbidden", {"error": host.error})
        self._next += 1
        identity = f"{self._next:016x}"
        self.errors[identity] = None
        peer = host.peer or "{}:{}".format(([*host.addresses, "192.0.2.9"])[0], port)
        head = "HTTP/1.1 200 Connection established\r\nX-Sandbox-Net-Connection: {}\r\n"
        head = (head + "X-Sandbox-Net-Peer: {}\r\n\r\n").format(identity, peer)
        if host.then == "greet":
            one.sendall(head.encode() + b"220 hello\r\n")
            one.recv(100)
            return None
        one.sendall(head.encode())
        return self._carry(one, name, host, identity)

    def _carry(self, one, name, host, identity):
        first = one.recv(1, socket.MSG_PEEK)
        if not first:
            return
        is_error = isinstance(host.then, dict)
        if first == b"\x16":
            if is_error and host.then["code"] in ("tls", "denied"):
                self.errors[identity] = host.then
                one.recv(65536)
                one.sendall(ALERT_EXPIRED)
                return
            one = self.authority.context(name).wrap_socket(one, server_side=True)
            self._open.append(one)
        if is_error:
            one.recv(65536)
            self.errors[identity] = host.then
        if is_error or host.then == "reset":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()
            return
        if host.then == "eof":
            one.recv(65536)
            one.close()
            return
        if host.then == "silent":
            one.recv(65536)
            one.recv(65536)
            return
        serve_http(one)
        one.close()


def read_head(one):
    """Reads a request's head; returns its lines, and what followed."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = one.recv(65536)
        if not piece:
            return None, b""
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.decode("latin-1").split("\r\n"), rest


def fields_of(head):
    """Returns the fields of a head by their lower-case names."""
    found = {}
    for line in head[1:]:
        name, _, value = line.partition(":")
        found[name.strip().lower()] = value.strip()
    return found


def read_body(one, fields, rest):
    """Reads a request's body."""
    if fields.get("transfer-encoding", "").lower() == "chunked":
        while not rest.endswith(b"0\r\n\r\n"):
            rest += one.recv(65536)
        return rest
    size = int(fields.get("content-length", "0"))
    while len(rest) < size:
        rest += one.recv(65536)
    return rest


def serve_http(one):
    """Answers each request with what it was, as JSON."""
    while True:
        head, rest = read_head(one)
        if head is None:
            return
        fields = fields_of(head)
        body = read_body(one, fields, rest)
        method, target = head[0].split(" ")[:2]
        told = {
            "method": method,
            "target": target,
            "fields": fields,
            "body": body.decode("latin-1"),
        }
        text = json.dumps(told).encode()
        answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n".encode()
        one.sendall(answer + (text if method != "HEAD" else b""))
        if fields.get("connection", "").lower() == "close":
            return


def made_authority():
    """Makes a CA in a directory of its own, which the caller removes."""
    return Authority(tempfile.mkdtemp(prefix="sandbox-net-patch-"))
