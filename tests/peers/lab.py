"""A small Internet in network namespaces of its own, whose servers record all that reaches them.

`Lab.make()` needs root and `unshare --net --mount`. Names come from an `/etc/hosts` of its own:
allowed.test and denied.test are a second machine, rebind.test is loopback, self.test is the address
of this machine's own interface.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

HERE, ALLOWED, DENIED = "93.184.216.1", "93.184.216.34", "93.184.216.35"
HOSTS = f"""127.0.0.1 localhost rebind.test
{ALLOWED} allowed.test
{DENIED} denied.test
{HERE} self.test
"""
NAMES = "DNS:allowed.test,DNS:denied.test,DNS:rebind.test,DNS:self.test"


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def certificates(folder: Path) -> None:
    """Makes the CA that the servers' certificate is from."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    ca, leaf = str(folder / "ca"), str(folder / "leaf")
    usage = ["-addext", "keyUsage=critical,keyCertSign"]
    own = ["-subj", "/CN=lab", "-keyout", f"{ca}.key", "-out", f"{ca}.pem"]
    run("openssl", "req", "-x509", "-days", "2", *key, *usage, *own)
    theirs = ["-subj", "/CN=server", "-keyout", f"{leaf}.key", "-out", f"{leaf}.csr"]
    run("openssl", "req", *key, *theirs)
    extensions = folder / "leaf.ext"
    extensions.write_text(f"subjectAltName={NAMES}\nauthorityKeyIdentifier=keyid\n")
    signer = ["-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-days", "2"]
    files = ["-in", f"{leaf}.csr", "-extfile", str(extensions), "-out", f"{leaf}.pem"]
    run("openssl", "x509", "-req", *signer, *files)


class Recorder:
    """Appends what reached a server to one file, a JSON object a line."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "hits.jsonl"
        self.lock = threading.Lock()

    def add(self, **hit: str) -> None:
        with self.lock, self.path.open("a") as file:
            file.write(json.dumps(hit) + "\n")


def accept(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    """Serves each connection of a listener in a thread; a fault ends that connection only."""

    def guarded(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            serve(client)

    def loop() -> None:
        while True:
            threading.Thread(target=guarded, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()


def http(
    recorder: Recorder, server: str, tls: ssl.SSLContext | None
) -> Callable[[socket.socket], None]:
    """An HTTP server that records the Host and the target, as they were spelled."""

    def serve(client: socket.socket) -> None:
        client.settimeout(20)
        address = client.getsockname()[0]
        if server == "web":
            recorder.add(server="tcp", address=address)
        stream = tls.wrap_socket(client, server_side=True) if tls else client
        head = b""
        while b"\r\n\r\n" not in head:
            more = stream.recv(65536)
            if not more:
                return
            head += more
        lines = head.decode(errors="replace").split("\r\n")
        host = next((line[5:].strip() for line in lines if line.lower().startswith("host:")), "")
        recorder.add(server=server, address=address, host=host, target=lines[0].split(" ")[1])
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    return serve


def world(folder: Path) -> None:
    """The other machine: HTTPS on both addresses and a UDP port."""
    recorder = Recorder(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "leaf.pem", folder / "leaf.key")
    sys.stdin.readline()
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "set", "world0", "up")
    for address in (ALLOWED, DENIED):
        run("ip", "address", "add", f"{address}/24", "dev", "world0")
    accept(socket.create_server(("0.0.0.0", 443)), http(recorder, "web", tls))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("0.0.0.0", 5353))
    print("ready", flush=True)

    def count() -> None:
        while True:
            datagrams.recv(64)
            recorder.add(server="udp")

    threading.Thread(target=count, daemon=True).start()
    sys.stdin.read()  # ends with the lab


class Lab:
    """The machine under test and its services."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recorder = Recorder(folder)
        self.service = folder / "services" / "docker.sock"
        self.seen = 0

    @classmethod
    def make(cls, folder: Path) -> Lab:
        lab = cls(folder)
        lab.service.parent.mkdir()
        certificates(folder)
        (folder / "hosts").write_text(HOSTS)
        run("mount", "--bind", str(folder / "hosts"), "/etc/hosts")
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "lab0", "type", "veth", "peer", "name", "world0")
        run("ip", "address", "add", f"{HERE}/24", "dev", "lab0")
        run("ip", "link", "set", "lab0", "up")
        other = subprocess.Popen(
            ["unshare", "--net", "--kill-child", sys.executable, __file__, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
        assert other.stdin and other.stdout
        while Path(f"/proc/{other.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
            pass
        run("ip", "link", "set", "world0", "netns", str(other.pid))
        other.stdin.write("go\n")
        other.stdin.flush()
        assert other.stdout.readline() == "ready\n"
        lab.serve()
        return lab

    def serve(self) -> None:
        """Starts the services that only this machine's own programs are meant to use."""
        accept(socket.create_server(("0.0.0.0", 8088)), http(self.recorder, "local", None))
        for name in (str(self.service), "\0lab-service"):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(name)
            listener.listen()
            kind = "unix-abstract" if name.startswith("\0") else "unix-path"

            def answer(client: socket.socket, kind: str = kind) -> None:
                self.recorder.add(server=kind)
                client.sendall(b"service")

            accept(listener, answer)
        self.service.chmod(0o666)

    def hits(self) -> list[dict[str, str]]:
        """What reached a server since the last call."""
        lines = self.recorder.path.read_text().splitlines() if self.recorder.path.exists() else []
        new, self.seen = lines[self.seen :], len(lines)
        return [json.loads(line) for line in new]


if __name__ == "__main__":
    world(Path(sys.argv[1]))
