"""Programs that check the addresses of a name before they connect to it, or to one of them.

Arguments: the ports of a plain server and of one with TLS, both for ``one.test`` and ``two.test``
at the addresses in ``NAMES``. With a third argument this file resolves the names itself, and
redirects connections to this machine: no such network has to exist.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import os
import socket
import ssl
import sys
import urllib.request
from collections.abc import Callable

from report import attempt

V4, OTHER_V4, V6 = "93.184.216.34", "93.184.216.35", "2606:2800:220:1::1"
NAMES = {
    "one.test": [V4, OTHER_V4, V6],
    "two.test": [V4],
    "six.test": [V6],
}
PLAIN, SECURE = (int(port) for port in sys.argv[1:3])
TIMEOUT = 20


def pretend() -> None:
    """Resolves the names to their addresses, and connects those to this machine."""
    getaddrinfo = socket.getaddrinfo
    connect = socket.socket.connect

    def lead(
        host: str | bytes, port: object, family: int = 0, *args: int, **more: int
    ) -> list[object]:
        host = host.decode() if isinstance(host, bytes) else host
        if host not in NAMES:
            return getaddrinfo(host, port, family, *args, **more)
        families = {True: socket.AF_INET6, False: socket.AF_INET}
        infos: list[object] = []
        for address in NAMES[host]:
            if family in (0, families[":" in address]):
                infos += getaddrinfo(address, port, 0, *args, **more)
        if not infos:
            raise socket.gaierror(socket.EAI_NODATA, "No address associated with hostname")
        return infos

    def first(host: str) -> str:
        return every(host)[2][0]

    def every(host: str) -> tuple[str, list[str], list[str]]:
        infos = lead(host, 0, socket.AF_INET, socket.SOCK_STREAM)
        return host, [], [info[4][0] for info in infos]

    def connect_here(sock: socket.socket, address: tuple[object, ...]) -> None:
        is_known = any(address[0] in addresses for addresses in NAMES.values())
        connect(sock, ("127.0.0.1", *address[1:]) if is_known else address)

    socket.getaddrinfo = lead
    socket.gethostbyname = first
    socket.gethostbyname_ex = every
    socket.socket.connect = connect_here


def infos(name: str, family: int = 0) -> list[object]:
    found = socket.getaddrinfo(name, 80, family, socket.SOCK_STREAM)
    return [[info[0].name, info[1].name, *info[2:]] for info in found]


def is_public(name: str) -> bool:
    """The guard of many programs: no address of the name is internal."""
    found = {info[4][0] for info in socket.getaddrinfo(name, None)}
    return bool(found) and all(ipaddress.ip_address(address).is_global for address in found)


def pinned(name: str, host: str | None = None) -> object:
    """Checks an address, and sends it the request for the name."""
    address = socket.gethostbyname(name)
    if not ipaddress.ip_address(address).is_global:
        raise ValueError(f"{name} leads inside")
    connection = http.client.HTTPConnection(address, PLAIN, timeout=TIMEOUT)
    connection.request("GET", "/get", headers={"Host": host or f"{name}:{PLAIN}"})
    response = connection.getresponse()
    return response.status, bool(response.read())


def pinned_tls(name: str) -> object:
    """The same over TLS, for the certificate of the name."""
    address = socket.gethostbyname(name)
    context = ssl.create_default_context()
    plain = socket.create_connection((address, SECURE), timeout=TIMEOUT)
    with plain, context.wrap_socket(plain, server_hostname=name) as sock:
        request = f"GET /get HTTP/1.1\r\nHost: {name}:{SECURE}\r\nConnection: close\r\n\r\n"
        sock.sendall(request.encode())
        names = [value for _, value in sock.getpeercert()["subjectAltName"]]
        return name in names, sock.recv(12).decode()


def asked_both(action: Callable[[str], object]) -> object:
    """With two names at one address, whichever was looked up last."""
    names = ("one.test", "two.test")
    results = []
    for last in names:
        for name in names:
            for asked in ("one.test", "two.test", last):
                socket.gethostbyname(asked)
            results.append(action(name))
    return results


def with_url(name: str) -> object:
    with urllib.request.urlopen(f"http://{name}:{PLAIN}/get", timeout=TIMEOUT) as response:
        return response.status


async def _loop_infos(name: str) -> object:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
    return [[info[0].name, info[1].name, *info[2:]] for info in found]


async def _sock_connect(name: str) -> object:
    loop = asyncio.get_running_loop()
    address = socket.gethostbyname(name)
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, (address, PLAIN))
        request = f"GET /get HTTP/1.1\r\nHost: {name}:{PLAIN}\r\nConnection: close\r\n\r\n"
        await loop.sock_sendall(sock, request.encode())
        return (await loop.sock_recv(sock, 12)).decode()


async def _stream(name: str) -> object:
    address = socket.gethostbyname(name)
    tls = ssl.create_default_context()
    streams = asyncio.open_connection(address, SECURE, ssl=tls, server_hostname=name)
    reader, writer = await streams
    request = f"GET /get HTTP/1.1\r\nHost: {name}:{SECURE}\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    line = await reader.readline()
    writer.close()
    return line.decode()


async def _side_by_side() -> object:
    """Both names at once, each by its own lookup."""

    async def get(name: str) -> str:
        reader, writer = await asyncio.open_connection(name, PLAIN)
        writer.write(f"GET /get HTTP/1.1\r\nHost: {name}:{PLAIN}\r\n\r\n".encode())
        line = await reader.readline()
        writer.close()
        return line.decode()

    return await asyncio.gather(*(get(name) for name in ("one.test", "two.test") * 3))


def with_requests(name: str) -> object:
    import requests

    response = requests.get(f"http://{name}:{PLAIN}/get", timeout=TIMEOUT)
    address = socket.gethostbyname(name)
    host = {"Host": f"{name}:{PLAIN}"}
    pin = requests.get(f"http://{address}:{PLAIN}/get", headers=host, timeout=TIMEOUT)
    return response.status_code, pin.status_code


def with_adapter(name: str) -> object:
    """As `HostHeaderSSLAdapter` of requests_toolbelt pins an address."""
    import requests
    from requests.adapters import HTTPAdapter

    class Pin(HTTPAdapter):
        def send(self, request: requests.PreparedRequest, **settings: object) -> object:
            self.poolmanager.connection_pool_kw["assert_hostname"] = name
            self.poolmanager.connection_pool_kw["server_hostname"] = name
            return super().send(request, **settings)

    address = socket.gethostbyname(name)
    with requests.Session() as session:
        session.mount("https://", Pin())
        host = {"Host": f"{name}:{SECURE}"}
        url = f"https://{address}:{SECURE}/get"
        return session.get(url, headers=host, timeout=TIMEOUT).status_code


def with_urllib3(name: str) -> object:
    import urllib3

    address = socket.gethostbyname(name)
    pool = urllib3.HTTPSConnectionPool(
        address,
        SECURE,
        server_hostname=name,
        assert_hostname=name,
        ca_certs=os.environ.get("SSL_CERT_FILE"),
    )
    host = {"Host": f"{name}:{SECURE}"}
    return pool.request("GET", "/get", headers=host, timeout=TIMEOUT).status


def with_httpx(name: str) -> object:
    import httpx

    address = socket.gethostbyname(name)
    with httpx.Client(timeout=TIMEOUT) as client:
        plain = client.get(f"http://{name}:{PLAIN}/get").status_code
        pin = client.get(
            f"https://{address}:{SECURE}/get",
            headers={"Host": f"{name}:{SECURE}"},
            extensions={"sni_hostname": name},
        )
        return plain, pin.status_code


async def _with_httpx(name: str) -> object:
    import httpx

    address = socket.gethostbyname(name)
    async with httpx.AsyncClient(timeout=TIMEOUT) as client:
        plain = await client.get(f"http://{name}:{PLAIN}/get")
        pin = await client.get(
            f"https://{address}:{SECURE}/get",
            headers={"Host": f"{name}:{SECURE}"},
            extensions={"sni_hostname": name},
        )
        return plain.status_code, pin.status_code


async def _with_aiohttp(name: str) -> object:
    """Uses a resolver that refuses internal addresses, as many programs do."""
    import aiohttp
    from aiohttp.resolver import ThreadedResolver

    class Guard(ThreadedResolver):
        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[object]:
            found = await super().resolve(host, port, family)
            if not all(ipaddress.ip_address(one["host"]).is_global for one in found):
                raise OSError(f"{host} leads inside")
            return found

    connector = aiohttp.TCPConnector(resolver=Guard())
    async with aiohttp.ClientSession(connector=connector) as session:
        statuses = []
        for url in (f"http://{name}:{PLAIN}/get", f"https://{name}:{SECURE}/get"):
            async with session.get(url) as response:
                statuses.append(response.status)
        return statuses


def main() -> None:
    if sys.argv[3:]:
        pretend()
    for name in NAMES:
        attempt(f"gethostbyname {name}", lambda name=name: socket.gethostbyname(name))
        attempt(f"all of {name}", lambda name=name: socket.gethostbyname_ex(name))
        attempt(f"guarded {name}", is_public, name)
        for family in (socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6):
            attempt(f"getaddrinfo {name} {family.name}", infos, name, family)
        attempt(f"loop {name}", lambda name=name: asyncio.run(_loop_infos(name)))
    attempt("localhost", lambda: socket.gethostbyname("localhost"))
    attempt("pinned", asked_both, pinned)
    attempt("pinned without a port", pinned, "one.test", "one.test")
    attempt("pinned TLS", asked_both, pinned_tls)
    attempt("urllib", asked_both, with_url)
    attempt("sock_connect", asked_both, lambda name: asyncio.run(_sock_connect(name)))
    attempt("streams", asked_both, lambda name: asyncio.run(_stream(name)))
    attempt("side by side", lambda: asyncio.run(_side_by_side()))
    attempt("requests", asked_both, with_requests)
    attempt("requests with an adapter", asked_both, with_adapter)
    attempt("urllib3", asked_both, with_urllib3)
    attempt("httpx", asked_both, with_httpx)
    attempt("httpx async", asked_both, lambda name: asyncio.run(_with_httpx(name)))
    attempt("aiohttp", asked_both, lambda name: asyncio.run(_with_aiohttp(name)))


if __name__ == "__main__":
    main()
