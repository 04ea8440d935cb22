"""Real programs and a real server: `urllib`, `http.client`, and `requests` if it is installed."""

import support  # noqa: I001 - first: it installs the stand-ins
from support import HAS_LOOPBACK, HostTest

import gc
import http.client
import http.cookiejar
import io
import unittest
import urllib.error
import urllib.request

try:
    import requests
except ImportError:
    requests = None  # type: ignore[assignment]

if HAS_LOOPBACK:
    from loopback import Server

BASE = "http://example.com"
MEBI = 1 << 20


@unittest.skipUnless(HAS_LOOPBACK, "needs threads and real sockets")
class LoopbackTest(HostTest):
    def setUp(self) -> None:
        super().setUp()
        self.server = Server()
        self.addCleanup(self.server.close)
        self.site(handler=self.server.carry)
        self.site(port=443, handler=self.server.carry)


class Urllib(LoopbackTest):
    def test_redirects_and_cookies(self) -> None:
        jar = http.cookiejar.CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        with opener.open(f"{BASE}/redirect") as response:
            text = response.read().decode()
        self.assertEqual(sorted(cookie.name for cookie in jar), ["a", "b"])
        self.assertIn("Cookie: a=1; b=2\n", text)
        self.assertIn("Host: example.com\n", text)

    def test_posts(self) -> None:
        data = bytes(range(256)) * 4096
        for body in (data, io.BytesIO(data), iter([data[:100], data[100:]])):
            request = urllib.request.Request(f"{BASE}/echo", body, method="POST")  # type: ignore[arg-type]
            with urllib.request.urlopen(request) as response:
                self.assertEqual(response.read(), data)

    def test_errors(self) -> None:
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{BASE}/nothing")
        with caught.exception as error:
            self.assertEqual(error.code, 404)
            self.assertIn(b"404", error.read())

    def test_a_large_download(self) -> None:
        with urllib.request.urlopen(f"https://example.com/bytes/{8 * MEBI}") as response:
            data = response.read()
        self.assertEqual(data, bytes(range(256)) * (8 * MEBI // 256))

    def test_debug_output_is_http_clients(self) -> None:
        connection = http.client.HTTPConnection("example.com")
        connection.set_debuglevel(1)
        import contextlib

        with contextlib.redirect_stdout(io.StringIO()) as out:
            connection.request("GET", "/headers")
            connection.getresponse().read()
        connection.close()
        self.assertIn("reply: 'HTTP/1.1 200 OK\\r\\n'", out.getvalue())


@unittest.skipIf(requests is None, "requests is not installed")
class Requests(LoopbackTest):
    def test_a_session_keeps_its_connection_and_cookies(self) -> None:
        with requests.Session() as session:
            for number in range(10):
                response = session.get(f"https://example.com/{('redirect', 'headers')[number % 2]}")
                self.assertEqual(response.status_code, 200)
            self.assertIn("Cookie: a=1; b=2", response.text)
        self.assertEqual(len(self.host.connections), 1)
        # urllib3 closes the connections of a pool when the pool is collected.
        del response, session
        gc.collect()
        self.assertEqual(self.host.open_handles, 0)

    def test_uploads(self) -> None:
        data = b"\0\xff" * 100_000
        parts = [data[:7], b"", data[7:]]
        for body in (data, io.BytesIO(data), iter(parts[::2])):
            response = requests.post(f"{BASE}/echo", data=body)
            self.assertEqual(response.content, data)

    def test_files_and_json(self) -> None:
        response = requests.post(f"{BASE}/echo", files={"f": ("name", b"\0\1\2")})
        self.assertIn(b"\0\1\2", response.content)
        self.assertEqual(requests.put(f"{BASE}/echo", json={"a": 1}).json(), {"a": 1})

    def test_streaming(self) -> None:
        with requests.get(f"{BASE}/bytes/{MEBI}", stream=True) as response:
            pieces = list(response.iter_content(10_000))
        self.assertEqual(b"".join(pieces), bytes(range(256)) * 4096)

    def test_denials_are_connection_errors_with_the_hosts_text(self) -> None:
        with self.assertRaises(requests.ConnectionError) as caught:
            requests.get("http://evil.example/")
        self.assertIn("evil.example:80 is not allowed", str(caught.exception))

    def test_settings_that_are_not_granted_are_ssl_errors(self) -> None:
        from fake_host import Failure, Tls
        from test_tls import DATA

        refusal = Failure(1, 3, "not granted", b"default-deny")
        self.site("strict.example", 443, tls=Tls(refusal=refusal))
        for verify in (False, str(DATA / "plain.pem")):
            with self.assertRaises(requests.exceptions.SSLError) as caught:
                requests.get("https://strict.example/", verify=verify)
            self.assertIn("not granted", str(caught.exception))


if __name__ == "__main__":
    _ = support
    unittest.main()
