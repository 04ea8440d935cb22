"""`http.client` and `urllib.request`, unmodified, against scripted sites."""

import support  # noqa: I001 - first: it installs the stand-ins
from support import Answer, HostTest, Seen

import http.client
import io
import json
import socket
import unittest
import urllib.error
import urllib.request

from fake_frames import DEFAULT_CHECKS
from fake_host import WAIT, Failure, TlsSettings


def echo(seen: Seen) -> Answer:
    """Repeats the request in the body."""
    said = {
        "method": seen.method,
        "path": seen.path,
        "fields": seen.fields,
        "kind": seen.kind,
        "body": seen.body.decode("latin-1"),
    }
    body = json.dumps(said).encode()
    return Answer(fields=(("Content-Length", str(len(body))),), body=[body])


class Urllib(HostTest):
    def test_get_over_http(self) -> None:
        self.site(handler=echo)
        with urllib.request.urlopen("http://example.com/a?b=c") as response:
            said = json.load(response)
        self.assertEqual((response.status, response.reason), (200, "OK"))
        self.assertEqual((said["method"], said["path"], said["kind"]), ("GET", "/a?b=c", 0))
        self.assertIn(["Host", "example.com"], said["fields"])
        self.assertEqual(self.host.open_handles, 0)

    def test_get_over_https_asks_for_verified_tls(self) -> None:
        self.site(port=443, handler=echo)
        with urllib.request.urlopen("https://example.com/") as response:
            self.assertEqual(response.status, 200)
        (connection,) = self.host.connections
        self.assertEqual(
            connection.tls_settings,
            TlsSettings(
                "example.com",
                (0x0303, 0x0304),
                1,
                True,
                (),
                (),
                b"",
                (b"http/1.1",),
                DEFAULT_CHECKS,
            ),
        )
        self.assertEqual(self.host.open_handles, 0)

    def test_https_on_another_port_is_still_tls(self) -> None:
        self.site(port=8443, handler=echo)
        with urllib.request.urlopen("https://example.com:8443/") as response:
            self.assertEqual(response.status, 200)
        self.assertTrue(self.host.connections[0].tls)

    def test_post_sends_every_byte_value(self) -> None:
        self.site(handler=lambda seen: Answer(body=[bytes(seen.body)]))
        data = bytes(range(256)) * 300
        with urllib.request.urlopen("http://example.com/", data=data) as response:
            self.assertEqual(response.read(), data)
        self.assertEqual((self.host.seen[0].kind, self.host.seen[0].size), (1, len(data)))

    def test_http_error_has_its_body_and_headers(self) -> None:
        self.site(
            handler=lambda _: Answer(
                404, (("Content-Length", "5"), ("X-A", "1"), ("X-A", "2")), [b"gone!"]
            )
        )
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen("http://example.com/")
        with caught.exception as error:
            self.assertEqual((error.code, error.read()), (404, b"gone!"))
            self.assertEqual(error.headers.get_all("X-A"), ["1", "2"])

    def test_redirect_is_followed_to_another_host(self) -> None:
        self.site(handler=lambda _: Answer(302, (("Location", "https://other.example/x"),)))
        self.site("other.example", 443, handler=echo)
        with urllib.request.urlopen("http://example.com/") as response:
            self.assertEqual(response.url, "https://other.example/x")
            self.assertEqual(json.load(response)["path"], "/x")

    def test_denial_names_the_reason_and_rule(self) -> None:
        text = "evil.example is not allowed; add it to the rule"
        self.site("evil.example", denied=Failure(1, 0, text, b"default-deny"))
        with self.assertRaises(urllib.error.URLError) as caught:
            urllib.request.urlopen("http://evil.example/")
        reason = caught.exception.reason
        self.assertIsInstance(reason, PermissionError)
        self.assertEqual(str(reason), f"[Errno {reason.errno}] {text} (rule default-deny)")
        self.assertEqual((reason.deny_reason, reason.deny_rule), ("no-rule", "default-deny"))


class HttpClient(HostTest):
    def test_many_requests_on_one_connection(self) -> None:
        self.site(handler=echo)
        connection = http.client.HTTPConnection("example.com")
        for number in range(20):
            method = ("GET", "POST", "HEAD", "PUT")[number % 4]
            body = b"x" * number if method in ("POST", "PUT") else None
            connection.request(method, f"/{number}", body)
            response = connection.getresponse()
            text = response.read()
            self.assertEqual(bool(text), method != "HEAD")
        self.assertEqual(len(self.host.connections), 1)
        self.assertEqual(self.host.open_handles, 1)
        connection.close()
        self.assertEqual(self.host.open_handles, 0)

    def test_chunked_upload_from_a_generator(self) -> None:
        self.site(handler=echo)
        connection = http.client.HTTPConnection("example.com")
        connection.request("POST", "/", (b"part %d;" % n for n in range(5)), encode_chunked=True)
        said = json.load(connection.getresponse())
        self.assertEqual((said["kind"], said["body"]), (2, "part 0;part 1;part 2;part 3;part 4;"))
        names = [name for name, _ in said["fields"]]
        self.assertEqual(names, ["Host", "Accept-Encoding", "Transfer-Encoding"])
        connection.close()

    def test_upload_from_a_file(self) -> None:
        self.site(handler=echo)
        connection = http.client.HTTPConnection("example.com")
        connection.request("PUT", "/", io.BytesIO(b"q" * 100_000), {"Content-Length": "100000"})
        self.assertEqual(json.load(connection.getresponse())["body"], "q" * 100_000)
        connection.close()

    def test_chunked_response_is_read_whole(self) -> None:
        parts = [b"a" * 70_000, WAIT, b"b", WAIT, b"c" * 9]
        self.site(handler=lambda _: Answer(fields=(("Transfer-Encoding", "chunked"),), body=parts))
        connection = http.client.HTTPConnection("example.com")
        for _ in range(2):
            connection.request("GET", "/")
            response = connection.getresponse()
            self.assertEqual(response.read(), b"a" * 70_000 + b"b" + b"c" * 9)
        self.assertEqual(len(self.host.connections), 1)
        connection.close()

    def test_http2_response_without_length_is_read_and_the_connection_kept(self) -> None:
        self.site(handler=lambda _: Answer(version=20, body=[b"one", WAIT, b"two"]))
        connection = http.client.HTTPConnection("example.com")
        for _ in range(2):
            connection.request("GET", "/")
            response = connection.getresponse()
            self.assertEqual((response.version, response.reason), (11, "OK"))
            self.assertEqual(response.read(), b"onetwo")
        self.assertEqual(len(self.host.connections), 1)
        connection.close()

    def test_body_without_length_ends_with_the_connection(self) -> None:
        self.site(handler=lambda _: Answer(version=10, body=[b"one", WAIT, b"two"]))
        connection = http.client.HTTPConnection("example.com")
        connection.request("GET", "/")
        response = connection.getresponse()
        self.assertEqual((response.version, response.read()), (10, b"onetwo"))
        self.assertTrue(response.will_close)
        connection.close()

    def test_body_that_ends_early_is_an_incomplete_read(self) -> None:
        fields = (("Content-Length", "10"),)
        for end in ([], [Failure(8, text="cut")]):
            with self.subTest(end=end):
                self.site(handler=lambda _, e=end: Answer(fields=fields, body=[b"four", *e]))
                connection = http.client.HTTPConnection("example.com")
                connection.request("GET", "/")
                with self.assertRaises(http.client.IncompleteRead) as caught:
                    connection.getresponse().read()
                self.assertEqual(caught.exception.partial, b"four")
                connection.close()

    def test_a_broken_chunk_is_what_the_clients_reader_takes_for_none(self) -> None:
        fields = (("Transfer-Encoding", "chunked"),)
        for received, line in (
            (b"zz\r\nmore", b"zz\r\n"),
            (b"", b""),  # the end of the connection
            # Some clients would read these as a size.
            (b"0\nmore", b"?0\r\n"),
            (b"+0;x\r\n", b"?+0;x\r\n"),
            (b"0x0\r\n", b"?0x0\r\n"),
        ):
            with self.subTest(received=received):
                broken = Failure(8, text="malformed", rest=received)
                self.site(handler=lambda _, e=broken: Answer(fields=fields, body=[b"four", e]))
                with socket.create_connection(("example.com", 80)) as sock:
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
                    with sock.makefile("rb") as answer:
                        body = answer.read().partition(b"\r\n\r\n")[2]
                self.assertEqual(body, b"4\r\nfour\r\n" + line)

    def test_a_head_that_the_host_refuses_has_no_empty_body(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: four\r\n\r\n"
        refused = Failure(8, text="a Content-Length that is no number", rest=head)
        self.site(handler=lambda _: Answer(before=[refused]))
        connection = http.client.HTTPConnection("example.com")
        connection.request("GET", "/")
        response = connection.getresponse()
        with self.assertRaises(OSError) as caught:
            response.read()
        self.assertIn("no number", str(caught.exception))
        connection.close()

    def test_what_the_host_can_not_frame_is_framed_by_the_clients_reader(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nno colon\r\n\r\n"
        for pieces, expected in (
            ([head + b"body"], b"body"),
            ([WAIT, head, WAIT, b"bo", WAIT, b"dy"], b"body"),
            ([b"HTTP/1.1 200 OK\r\nX-A: 1\r\n"], b""),
            ([b"HTTP/1.1 200 OK\r\nno colon\r\n\r\nto the ", WAIT, b"end"], b"to the end"),
        ):
            with self.subTest(pieces=pieces):
                refused = Failure(8, text="malformed")
                odd = Answer(before=[refused], unframed=list(pieces))
                self.site(handler=lambda _, a=odd: a)
                connection = http.client.HTTPConnection("example.com")
                connection.request("GET", "/")
                response = connection.getresponse()
                self.assertEqual((response.status, response.read()), (200, expected))
                connection.close()

    def test_the_request_after_an_answer_that_only_the_client_could_frame_is_an_exchange_of_its_own(
        self,
    ) -> None:
        odd = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nno colon\r\n\r\nbody"
        # Bytes after the body do not answer the next request.
        rest = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse"
        for unframed in ([odd, *[WAIT] * 1000], [odd + rest, *[WAIT] * 1000]):
            first = Answer(before=[Failure(8, text="malformed")], unframed=unframed)
            answers = [first, Answer(fields=(("Content-Length", "4"),), body=[b"true"])]
            self.site(handler=lambda _, a=answers: a.pop(0))
            connection = http.client.HTTPConnection("example.com", timeout=5)
            bodies = []
            for _ in range(2):
                connection.request("GET", "/")
                bodies.append(connection.getresponse().read())
            self.assertEqual(bodies, [b"body", b"true"])
            connection.close()

    def test_a_limit_in_an_answer_that_only_the_client_can_frame_is_raised(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nno colon\r\n\r\nbody"
        unframed = [head, Failure(9, 6)]
        refused = Failure(8, text="malformed")
        self.site(handler=lambda _: Answer(before=[refused], unframed=unframed))
        connection = http.client.HTTPConnection("example.com")
        connection.request("GET", "/")
        response = connection.getresponse()
        with self.assertRaises(OSError) as caught:
            response.read()
        self.assertIn("bytes-down", str(caught.exception))
        connection.close()

    def test_a_limit_at_the_first_byte_of_such_an_answer_is_raised(self) -> None:
        refused = Failure(8, text="malformed")
        self.site(handler=lambda _: Answer(before=[refused], unframed=[Failure(9, 0)]))
        connection = http.client.HTTPConnection("example.com")
        connection.request("GET", "/")
        with self.assertRaises(OSError) as caught:
            connection.getresponse()
        self.assertIn("response-head-size", str(caught.exception))
        connection.close()

    def test_a_list_of_equal_lengths_ends_the_connection(self) -> None:
        fields = (("Content-Length", "4, 4"),)
        self.site(handler=lambda _: Answer(fields=fields, body=[b"body"]))
        connection = http.client.HTTPConnection("example.com", timeout=5)
        connection.request("GET", "/")
        self.assertEqual(connection.getresponse().read(), b"body")
        connection.close()

    def test_an_empty_reason_stays_empty_but_for_http2_which_has_none(self) -> None:
        for version, reason in ((10, ""), (11, ""), (20, "OK")):
            self.site(handler=lambda _, v=version: Answer(version=v, reason=b""))
            connection = http.client.HTTPConnection("example.com")
            connection.request("GET", "/")
            self.assertEqual(connection.getresponse().reason, reason)
            connection.close()

    def test_reset_in_the_body_is_a_reset(self) -> None:
        fields = (("Content-Length", "10"),)
        self.site(handler=lambda _: Answer(fields=fields, body=[b"four", Failure(5)]))
        connection = http.client.HTTPConnection("example.com")
        connection.request("GET", "/")
        response = connection.getresponse()
        with self.assertRaises(ConnectionResetError):
            response.read()
        connection.close()

    def test_what_is_no_http_is_told_as_http_client_tells_it(self) -> None:
        faults = (
            (b"nonsense\r\n\r\n", http.client.BadStatusLine),
            (b"HTTP/1.1 999999 x\r\n\r\n", http.client.BadStatusLine),
            (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000, http.client.LineTooLong),
            (b"", http.client.RemoteDisconnected),
        )
        for received, expected in faults:
            with self.subTest(expected=expected.__name__):
                failure = Failure(8, 0, "not HTTP", received)
                self.site(handler=lambda _, f=failure: Answer(before=[f]))
                connection = http.client.HTTPConnection("example.com")
                connection.request("GET", "/")
                with self.assertRaises(expected):
                    connection.getresponse()
                connection.close()

    def test_idle_connection_that_the_server_closed_reads_as_disconnected(self) -> None:
        site = self.site(handler=echo)
        connection = http.client.HTTPConnection("example.com")
        connection.request("GET", "/")
        connection.getresponse().read()
        site.request_failures.append(Failure(10))
        connection.request("GET", "/")
        with self.assertRaises(http.client.RemoteDisconnected):
            connection.getresponse()
        connection.close()

    def test_response_before_the_body_was_taken(self) -> None:
        self.site(
            handler=lambda _: Answer(413, (("Content-Length", "3"),), [b"big"]),
            early=True,
            write_failure=(100_000, Failure(5)),
        )
        connection = http.client.HTTPConnection("example.com")
        connection.request("POST", "/", b"x" * 1_000_000)
        response = connection.getresponse()
        self.assertEqual((response.status, response.read()), (413, b"big"))
        connection.close()

    def test_the_head_comes_first_where_a_read_finds_that_the_upload_failed(self) -> None:
        self.site(
            handler=lambda _: Answer(413, (("Content-Length", "3"),), [b"big"]),
            early=True,
            window=1000,
        )
        with socket.create_connection(("example.com", 80)) as connection:
            connection.setblocking(False)
            connection.sendall(
                b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 9000\r\n\r\n"
            )
            connection.send(b"x" * 9000)
            exchange = self.host.connections[0].exchange
            assert exchange is not None
            exchange.failure = Failure(5)
            answer = connection.recv(1000)
        self.assertRegex(answer, rb"(?s)\AHTTP/1.1 413 .*\r\n\r\n(big)?\Z")

    def test_a_response_on_its_way_is_read_where_the_server_takes_no_more_of_the_body(self) -> None:
        length = (("Content-Length", "3"),)
        for blocking in (True, False):
            self.site(
                handler=lambda _: Answer(413, length, [b"big"], before=[WAIT, WAIT]),
                early=True,
                write_failure=(1000, Failure(10)),
            )
            connection = http.client.HTTPConnection("example.com")
            connection.connect()
            assert connection.sock is not None
            connection.sock.setblocking(blocking)
            connection.request("POST", "/", b"x" * 9000)
            connection.sock.setblocking(True)
            response = connection.getresponse()
            self.assertEqual((response.status, response.read()), (413, b"big"))
            connection.close()

    def test_a_server_that_takes_no_more_and_says_nothing_is_an_error(self) -> None:
        for failure in (Failure(5), Failure(9, 6)):
            self.site(
                handler=lambda _, it=failure: Answer(before=[WAIT, it]),
                early=True,
                write_failure=(1000, Failure(10)),
            )
            connection = http.client.HTTPConnection("example.com")
            connection.request("POST", "/", b"x" * 9000)
            with self.assertRaises(OSError) as caught:
                connection.getresponse()
            self.assertEqual(isinstance(caught.exception, ConnectionResetError), failure.code == 5)
            connection.close()

    def test_reset_while_the_body_is_sent(self) -> None:
        self.site(write_failure=(100_000, Failure(5)))
        connection = http.client.HTTPConnection("example.com")
        with self.assertRaises(ConnectionResetError):
            connection.request("POST", "/", b"x" * 1_000_000)
        connection.close()

    def test_slow_server_takes_the_body_bit_by_bit(self) -> None:
        self.site(handler=echo, window=1000)
        connection = http.client.HTTPConnection("example.com", timeout=60)
        connection.request("POST", "/", b"x" * 300_000)
        self.assertEqual(json.load(connection.getresponse())["body"], "x" * 300_000)
        connection.close()

    def test_timeout_while_waiting_for_the_head(self) -> None:
        self.site(handler=lambda _: Answer(before=[WAIT] * 1000))
        connection = http.client.HTTPConnection("example.com", timeout=0.01)
        connection.request("GET", "/")
        with self.assertRaises(TimeoutError) as caught:
            connection.getresponse()
        self.assertEqual(str(caught.exception), "timed out")
        connection.close()

    def test_a_program_that_waits_for_continue_is_told_when_the_server_asks(self) -> None:
        self.site(handler=echo)
        connection = self.expecting()
        assert connection.sock is not None
        self.assertEqual(connection.sock.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.send(b"body")
        said = json.load(connection.getresponse())
        self.assertEqual(said["body"], "body")
        self.assertIn(["Expect", "100-continue"], said["fields"])

    def test_a_server_that_refuses_gets_no_body(self) -> None:
        self.site(handler=lambda _: Answer(417, (("Content-Length", "0"),)), early=True)
        response = self.expecting().getresponse()
        self.assertEqual(response.status, 417)
        self.assertEqual(bytes(self.host.seen[0].body), b"")

    def test_a_body_that_does_not_wait_is_sent_all_the_same(self) -> None:
        for continues in (True, False):
            self.site(handler=echo, continues=continues)
            connection = self.expecting()
            connection.send(b"body")
            self.assertEqual(json.load(connection.getresponse())["body"], "body")

    def test_a_request_without_a_body_expects_nothing(self) -> None:
        self.site(handler=echo)
        connection = http.client.HTTPConnection("example.com")
        self.addCleanup(connection.close)
        for method, body in (("GET", None), ("PUT", b"")):
            connection.request(method, "/", body, headers={"Expect": "100-continue"})
            names = [name for name, _ in json.load(connection.getresponse())["fields"]]
            self.assertNotIn("Expect", names)

    def expecting(self) -> http.client.HTTPConnection:
        """Opens a connection that has sent the head of a request and not its body."""
        connection = http.client.HTTPConnection("example.com")
        self.addCleanup(connection.close)
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", "4")
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        return connection


if __name__ == "__main__":
    _ = support
    unittest.main()
