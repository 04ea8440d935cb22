"""What each library gets: run once directly and once routed, and compared.

Arguments: the ports of HTTP and HTTPS, and `direct` or `routed`. It prints JSON: the result of each
case by library, scheme and name. It is in the syntax of Python 3.6.
"""

import asyncio
import base64
import http.client
import http.cookiejar
import json
import os
import socket
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

from refused import CALLS

HTTP, HTTPS = int(sys.argv[1]), int(sys.argv[2])
CASES = {}
if sys.argv[3] == "direct":
    # Without the broker nobody knows these names.
    _stock = socket.getaddrinfo

    def _getaddrinfo(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        known = isinstance(name, str) and name.endswith(".test")
        return _stock("127.0.0.1" if known else host, *args, **kwargs)

    socket.getaddrinfo = _getaddrinfo


def case(library):
    """Registers a function that takes a base URL."""

    def register(function):
        CASES.setdefault(library, []).append(function)
        return function

    return register


def echoed(text):
    """Returns what the origin says that it got, without what differs between any two runs."""
    told = json.loads(text if isinstance(text, str) else text.decode())
    body = base64.b64decode(told["body"])
    fields = []
    for name, value in told["fields"]:
        if "boundary=" in value:
            boundary = value.partition("boundary=")[2].strip('"').encode()
            body = body.replace(boundary, b"BOUNDARY")
            value = value.partition("boundary=")[0]
        fields.append([name, value])
    told["fields"], told["body"] = fields, body.decode("latin-1")
    return told


# urllib


def opened(request, *handlers):
    """Opens a request; returns status, reason and text."""
    opener = urllib.request.build_opener(*handlers)
    with opener.open(request, timeout=30) as response:
        return [response.status, response.reason, echoed(response.read()), response.geturl()]


@case("urllib")
def parameters(base):
    return opened(base + "/echo?" + urllib.parse.urlencode({"a": "1 2", "b": "\u00e4"}))


@case("urllib")
def form(base):
    return opened(urllib.request.Request(base + "/echo", data=b"a=1&b=2", headers={"X-A": "b"}))


@case("urllib")
def put(base):
    return opened(urllib.request.Request(base + "/echo", data=b"\0\1", method="PUT"))


@case("urllib")
def basic_auth(base):
    manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    manager.add_password(None, base, "user", "pass")
    return opened(base + "/basic", urllib.request.HTTPBasicAuthHandler(manager))


@case("urllib")
def cookies(base):
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    opener = urllib.request.build_opener(jar)
    opener.open(base + "/cookie", timeout=30).read()
    return echoed(opener.open(base + "/echo", timeout=30).read())


@case("urllib")
def redirect(base):
    return opened(base + "/redirect")


@case("urllib")
def missing(base):
    try:
        opened(base + "/status?code=404")
    except urllib.error.HTTPError as error:
        return [error.code, error.reason, error.read().decode()]


# http.client


def connection(base):
    """Makes a connection to a base URL."""
    parts = urllib.parse.urlsplit(base)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=30)


@case("http.client")
def kept_alive(base):
    client = connection(base)
    found = []
    for number in range(3):
        client.request("GET", f"/echo?n={number}", headers={"Accept": "x"})
        response = client.getresponse()
        found.append(
            [response.status, sorted(response.getheaders())[0][0], echoed(response.read())]
        )
    client.close()
    return found


@case("http.client")
def chunked(base):
    client = connection(base)
    client.request("POST", "/echo", body=iter([b"a" * 1000, b"b"]), encode_chunked=True)
    return echoed(client.getresponse().read())


@case("http.client")
def head(base):
    client = connection(base)
    client.request("HEAD", "/echo")
    response = client.getresponse()
    return [
        response.status,
        response.read().decode(),
        int(response.getheader("Content-Length")) > 0,
    ]


@case("http.client")
def streamed(base):
    client = connection(base)
    client.request("GET", "/stream?count=200")
    response = client.getresponse()
    total, piece = 0, b"x"
    while piece:
        piece = response.read(7000)
        total += len(piece)
    return total


# requests


def answered(response):
    """Returns what a response of requests or httpx is."""
    return [response.status_code, echoed(response.text)]


@case("requests")
def requests_parameters(base):
    import requests

    return answered(
        requests.get(base + "/echo", params={"a": ["1", "2"], "b": "\u00e4 c"}, timeout=30)
    )


@case("requests")
def requests_auth(base):
    import requests

    return answered(requests.get(base + "/basic", auth=("user", "p:ss"), timeout=30))


@case("requests")
def requests_form(base):
    import requests

    return answered(requests.post(base + "/echo", data={"a": "1", "b": "x y"}, timeout=30))


@case("requests")
def requests_json(base):
    import requests

    return answered(requests.put(base + "/echo", json={"a": [1, None, "\u00e4"]}, timeout=30))


@case("requests")
def requests_files(base):
    import requests

    files = {"file": ("name.txt", b"\0content", "text/plain")}
    return answered(requests.post(base + "/echo", files=files, data={"a": "b"}, timeout=30))


@case("requests")
def requests_bytes(base):
    import requests

    return answered(requests.patch(base + "/echo", data=bytes(range(256)) * 500, timeout=30))


@case("requests")
def requests_session(base):
    import requests

    with requests.Session() as session:
        session.headers["X-Session"] = "yes"
        session.auth = ("user", "pass")
        first = session.get(base + "/cookie", timeout=30)
        second = session.get(base + "/echo", headers={"X-More": "1"}, timeout=30)
        third = session.delete(base + "/echo/below", timeout=30)
        kept = sorted(session.cookies.get_dict().items())
        return [first.text, answered(second), answered(third), kept]


@case("requests")
def requests_stream(base):
    import requests

    with requests.get(base + "/stream?count=300", stream=True, timeout=30) as response:
        sizes = [len(piece) for piece in response.iter_content(4096)]
        return [response.status_code, sum(sizes), response.headers.get("Transfer-Encoding")]


@case("requests")
def requests_generator(base):
    import requests

    return answered(requests.post(base + "/echo", data=iter([b"a" * 70000, b"b"]), timeout=30))


@case("requests")
def requests_redirect(base):
    import requests

    response = requests.get(base + "/redirect", timeout=30)
    return [[one.status_code for one in response.history], answered(response)]


@case("requests")
def requests_missing(base):
    import requests

    response = requests.get(base + "/status?code=503", timeout=30)
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        return [str(error), response.text]


@case("requests")
def requests_names(base):
    import requests

    both = (base, base.replace("good.test", "git.test"))
    return [answered(requests.get(one + "/echo", timeout=30)) for one in both * 2]


@case("requests")
def requests_unverified(base):
    import requests

    return answered(requests.get(base + "/echo", verify=False, timeout=30))


# urllib3


def pool(**more):
    """Makes a pool that trusts what certifi has, and the CA of the direct run."""
    import urllib3

    ca = os.environ.get("REQUESTS_CA_BUNDLE")
    if not ca:
        import certifi

        ca = certifi.where()
    return urllib3.PoolManager(ca_certs=ca, cert_reqs="CERT_REQUIRED", timeout=30, **more)


@case("urllib3")
def urllib3_fields(base):
    response = pool().request("POST", base + "/echo", fields={"a": "1", "f": ("n", b"data")})
    return [response.status, echoed(response.data)]


@case("urllib3")
def urllib3_kept(base):
    manager = pool(headers={"X-A": "1"})
    return [echoed(manager.request("GET", base + f"/echo?n={n}").data) for n in range(3)]


@case("urllib3")
def urllib3_stream(base):
    response = pool().request("GET", base + "/stream?count=100", preload_content=False)
    return sum(len(piece) for piece in response.stream(1000))


@case("urllib3")
def urllib3_default_trust(base):
    import urllib3

    context = ssl.create_default_context()
    return echoed(urllib3.PoolManager(ssl_context=context).request("GET", base + "/echo").data)


# httpx


def httpx_client(kind="Client", **more):
    """Makes a client that trusts the CA of the direct run."""
    import httpx

    ca = os.environ.get("REQUESTS_CA_BUNDLE")
    if ca:
        more["verify"] = ssl.create_default_context(cafile=ca)
    return getattr(httpx, kind)(timeout=30, **more)


@case("httpx")
def httpx_all(base):
    with httpx_client(headers={"X-Client": "1"}, auth=("user", "pass")) as client:
        return [
            answered(client.get(base + "/echo", params={"a": "b c"})),
            answered(client.post(base + "/echo", json={"a": 1})),
            answered(client.post(base + "/echo", data={"a": "1"})),
            answered(client.post(base + "/echo", files={"f": ("n", b"data")})),
            [client.get(base + "/cookie").text, answered(client.get(base + "/echo"))],
            answered(client.put(base + "/echo", content=b"\0" * 70000)),
            client.get(base + "/redirect").status_code,
        ]


@case("httpx")
def httpx_stream(base):
    with httpx_client() as client, client.stream("GET", base + "/stream?count=100") as response:
        return sum(len(piece) for piece in response.iter_bytes())


@case("httpx")
def httpx_async(base):
    async def go():
        async with httpx_client("AsyncClient") as client:
            first = await client.get(base + "/echo?a=1")
            second = await client.post(base + "/echo", json=[1])
            return [answered(first), answered(second)]

    return run(go())


@case("httpx")
def httpx_async_names(base):
    async def go():
        async with httpx_client("AsyncClient") as client:
            both = (base, base.replace("good.test", "git.test"))
            return [answered(await client.get(one + "/echo")) for one in both * 2]

    return run(go())


# aiohttp


def run(task):
    """Runs a coroutine."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(asyncio.wait_for(task, 60))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@case("aiohttp")
def aiohttp_all(base):
    import aiohttp

    ca = os.environ.get("REQUESTS_CA_BUNDLE")
    context = ssl.create_default_context(cafile=ca or None)

    async def go():
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector, headers={"X-A": "1"}) as session:
            found = []
            async with session.get(base + "/echo", params={"a": "b c"}) as response:
                found.append([response.status, echoed(await response.text())])
            async with session.post(base + "/echo", json={"a": 1}) as response:
                found.append(echoed(await response.text()))
            async with session.post(base + "/echo", data={"a": "1"}) as response:
                found.append(echoed(await response.text()))
            async with session.get(base + "/cookie") as response:
                found.append(await response.text())
            async with session.get(base + "/echo") as response:
                found.append(echoed(await response.text()))
            async with session.get(base + "/stream?count=100") as response:
                found.append(len(await response.read()))
            # Another name at the same address.
            other = base.replace("good.test", "git.test")
            async with session.get(other + "/echo") as response:
                found.append(echoed(await response.text()))
            return found

    return run(go())


# asyncio streams


@case("asyncio")
def asyncio_streams(base):
    parts = urllib.parse.urlsplit(base)
    ca = os.environ.get("REQUESTS_CA_BUNDLE")
    secure = parts.scheme == "https"
    context = ssl.create_default_context(cafile=ca or None) if secure else None

    async def go():
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=context)
        found = []
        for number in range(2):
            request = f"GET /echo?{number} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n"
            writer.write(request.encode())
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length:")[2].split()[0])
            found.append([head.split(b"\r\n")[0].decode(), echoed(await reader.readexactly(size))])
        writer.close()
        return found

    return run(go())


def ended(call, *args):
    """Returns the result of a call, or the classes and texts of its error and of the causes."""
    try:
        return {"value": call(*args)}
    except BaseException as error:
        texts, seen = [], error
        while seen is not None and len(texts) < 12:
            texts.append(f"{type(seen).__name__}: {seen}")
            inner = getattr(seen, "reason", None)
            inner = inner if isinstance(inner, BaseException) else None
            seen = inner or seen.__cause__ or seen.__context__
        return {"error": texts}


def main():
    """Runs all cases, and prints what they gave."""
    found = {}
    for library, cases in CASES.items():
        for scheme, port in (("http", HTTP), ("https", HTTPS)):
            base = f"{scheme}://good.test:{port}"
            for one in cases:
                found[f"{library} {scheme} {one.__name__}"] = ended(one, base)
    if sys.argv[3] == "routed":
        for library, call in CALLS.items():
            for scheme, port in (("http", HTTP), ("https", HTTPS)):
                for host in ("denied.test", "none.test"):
                    url = f"{scheme}://{host}:{port}/"
                    found[f"denied {library} {scheme} {host}"] = ended(call, url)
    print("\nmatrix: " + json.dumps(found, sort_keys=True))


main()
