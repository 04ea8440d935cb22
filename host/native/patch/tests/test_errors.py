"""The broker's errors as exceptions: those of the component, word for word."""

import json
import os
import re
import subprocess
import sys
import unittest

from support import PATCH

sys.path.insert(0, PATCH)

from sandbox_net_native import errors, json_text

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(PATCH)))
_SHIM = os.path.join(_ROOT, "shim")
_TYPES = os.path.join(_ROOT, "wit", "types.wit")
_REASONS = ("no-rule", "address", "host-mismatch", "tls-options", "method", "field", "deny-rule")
_MORE_REASONS = ("hook", "secret", "audit", "malformed")
_LIMITS = (
    "response-head-size",
    "connections",
    "request-head-size",
    "requests",
    "request-rate",
    "bytes-up",
    "bytes-down",
    "hosts",
    "time",
    "host-memory",
    "lookups",
    "connection-rate",
    "denials",
)
_TEXTS = (
    "received fatal alert: HandshakeFailure",
    "received fatal alert: AccessDenied",
    "received fatal alert: NoSuchAlert",
    "received corrupt message of type InvalidContentType",
    "cannot decrypt peer's message",
    "the peer closed the connection in the handshake",
    "the session broke",
    "",
)


def faults():
    """The names of `certificate-fault`, in their order."""
    with open(_TYPES) as file:
        text = file.read()
    body = re.search(r"enum certificate-fault \{(.*?)\n  \}", text, re.S).group(1)
    return re.findall(r"^    ([a-z0-9-]+),", body, re.M)


def table():
    """Every error of the interface, with its variants."""
    rows = []
    for reason in _REASONS + _MORE_REASONS:
        row = {"code": "denied", "reason": reason, "rule": "rule 3", "message": "no"}
        rows.append((row, "a.test"))
        rows.append((dict(row, message="rule 3 says no"), "a.test"))
        rows.append((dict(row, message="", rule=""), "a.test"))
    for failure in ("not-found", "temporary", "failed"):
        rows.append(({"code": "dns", "failure": failure, "message": "some text"}, ""))
    for code in ("refused", "unreachable", "reset", "closed"):
        rows.append(({"code": code, "message": "some text"}, ""))
    for phase in ("resolve", "connect", "tls", "request", "head", "body"):
        rows.append(({"code": "timeout", "phase": phase, "message": "some text"}, ""))
    for fault in faults():
        for host in ("a.test", "192.0.2.1", "2001:db8::1"):
            for text in ("", "its own text"):
                row = {"code": "tls", "certificate": fault, "message": text}
                rows.append((row, host))
    for text in _TEXTS:
        rows.append(({"code": "tls", "certificate": None, "message": text}, "a.test"))
    for limit in _LIMITS:
        for value, more in ((None, False), (3, True), (3, False)):
            row = {"code": "limit", "limit": limit, "value": value, "can_be_raised": more}
            rows.append((dict(row, message="some text"), ""))
    rows.append(({"code": "protocol", "message": "no HTTP"}, ""))
    rows.append(({"code": "invalid", "message": "bad port"}, ""))
    return rows


def lookups():
    """Errors of lookups."""
    row = {"code": "limit", "limit": "connections", "message": "some text"}
    rows = [(dict(row, value=9, can_be_raised=True), "a.test")]
    rows.append((dict(row, value=None, can_be_raised=False), "a.test"))
    rows.append(({"code": "dns", "failure": "failed", "message": ""}, "a.test"))
    return rows


def told(error):
    """Describes an exception."""
    more = {name: value for name, value in vars(error).items() if name != "__notes__"}
    kinds = [kind.__name__ for kind in type(error).__mro__]
    return [kinds, list(error.args), str(error), more, getattr(error, "__notes__", [])]


class Errors(unittest.TestCase):
    """Texts, classes and attributes."""

    maxDiff = None

    def test_each_error_is_the_exception_of_the_component(self):
        if sys.version_info < (3, 11):
            self.skipTest("the shim needs Python 3.11")
        rows = {"errors": table(), "lookups": lookups(), "faults": faults()}
        path = os.pathsep.join([os.path.join(_SHIM, "tests"), _SHIM])
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shim_errors.py")
        code = "import runpy, sys; del sys.path[0]; runpy.run_path({!r}, run_name='__main__')"
        done = subprocess.run(
            [sys.executable, "-c", code.format(script)],
            input=json.dumps(rows).encode(),
            stdout=subprocess.PIPE,
            env=dict(os.environ, PYTHONPATH=path),
            timeout=60,
        )
        expected = json.loads(done.stdout.decode())
        found = [told(errors.exception_for(*row)) for row in table()]
        found += [told(errors.lookup_exception_for(*row)) for row in lookups()]
        self.assertEqual(len(found), len(expected))
        for row, one, other in zip(table() + lookups(), found, expected):
            self.assertEqual(json.loads(json.dumps(one)), other, row)

    def test_every_interpreter_has_a_class_for_each_error(self):
        for error, host in table():
            exception = errors.exception_for(error, host)
            self.assertIsInstance(exception, (OSError, ValueError))
            same = errors.again(exception) if isinstance(exception, OSError) else exception
            self.assertEqual(told(same), told(exception))


class Json(unittest.TestCase):
    """The reader of JSON."""

    def test_it_reads_what_the_module_reads(self):
        for text in (
            '{"a": [1, -2, 3.5, 1e3, true, false, null], "b": {"c": "d"}}',
            '"\\u00e4\\ud83d\\ude00\\n\\"\\\\\\/"',
            " [ ] ",
            "{}",
            '"\u00e4"',
        ):
            self.assertEqual(json_text.loads(text), json.loads(text))

    def test_it_refuses_what_is_none(self):
        for text in ("", "{", "[1", '"a', "nope", "{'a': 1}", "[1] 2", '"\\x"', "[" * 99, "1-2"):
            with self.assertRaises(ValueError):
                json_text.loads(text)

    def test_what_it_writes_is_read_again(self):
        for text in ("a.test", 'a"\\\n\u00e4\U0001f600', "\ud800"):
            self.assertEqual(json.loads(json_text.quote(text)), text)


if __name__ == "__main__":
    unittest.main()
