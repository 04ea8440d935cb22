"""Turns of a session, and what they show: the parts that need no host."""

import support  # noqa: F401, I001 - first: it installs the stand-ins

import contextlib
import io
import json
import linecache
import math
import os
import struct
import sys
import types
import unittest
from typing import Any
from unittest import mock

from sandbox_net import completion, display, ending, interactive, session, session_wire
from sandbox_net.session_wire import LEAST, Mailbox, Reply, Request

_HEAD = struct.Struct("<4sIII")


def request(operation: int, text: str = "", flags: int = 0, limit: int = 1 << 20) -> bytes:
    """A request as the host writes it."""
    return struct.pack("<BBIIB", 1, operation, 7, limit, flags) + text.encode()


def fields(body: bytes) -> tuple[int, list[tuple[str, bytes]]]:
    """A body as the host reads it."""
    found, rest = [], body[1:]
    while rest:
        length = int.from_bytes(rest[1:5], "little")
        found.append((chr(rest[0]), rest[5 : 5 + length]))
        assert len(rest) >= 5 + length
        rest = rest[5 + length :]
    return body[0], found


class WireTest(unittest.TestCase):
    """Requests and replies."""

    def test_a_request_is_told_from_source_text(self) -> None:
        self.assertTrue(session_wire.is_request(request(session_wire.START)))
        for source in (b"", b"x = 1", b"S{}", b"E"):
            self.assertFalse(session_wire.is_request(source))
        asked = Request(request(session_wire.EXECUTE, "ä = 1", flags=2, limit=9))
        self.assertEqual((asked.operation, asked.number), (session_wire.EXECUTE, 7))
        self.assertEqual((asked.limit, asked.flags, asked.text()), (9, 2, "ä = 1"))

    def test_a_mailbox_has_short_bodies_and_the_address_of_long_ones(self) -> None:
        mailbox = Mailbox()
        parts = bytes(mailbox.address(number) for number in range(4))
        whole = mailbox._address & 0xFFFF_FFFF
        self.assertEqual(int.from_bytes(parts, "little"), whole)
        for size in (1, 4096 - _HEAD.size, 4096 - _HEAD.size + 1, 100_000):
            body = bytes(size)
            with mock.patch.object(session_wire, "_OFFSET", 0), mock.patch("builtins.id") as place:
                place.return_value = 0x1234
                mailbox.put(3, body)
            begins, number, length, address = _HEAD.unpack_from(mailbox._room)
            self.assertEqual((begins, number, length), (b"SNTR", 3, size))
            self.assertEqual(address, 0x1234 if size > 4096 - _HEAD.size else 0)
            # It stays where it is.
            self.assertIs(mailbox._kept, body)

    def test_a_reply_keeps_its_limit_whatever_the_program_shows(self) -> None:
        for text in ("x" * 10_000, "ä" * 10_000, "\ud800" * 10_000, "x" * (LEAST - 11)):
            reply = Reply(LEAST)
            reply.shows(text)
            reply.has_json(json.dumps(text))
            reply.has_form("text/html", text)
            body = reply.done()
            self.assertLessEqual(len(body), LEAST)
            kind, found = fields(body)
            self.assertEqual(kind, 0)
            self.assertEqual(found[0][0], "T")
            self.assertIn("U", [tag for tag, _ in found])
            found[0][1].decode()

    def test_an_exception_has_its_end_and_the_beginning_of_its_text(self) -> None:
        reply = Reply(LEAST)
        reply.shows("a value that is left out")
        body = reply.raised("E" * 1000, "m" * 10_000, "t" * 10_000 + "the end")
        self.assertLessEqual(len(body), LEAST)
        kind, found = fields(body)
        self.assertEqual(kind, 1)
        self.assertEqual([tag for tag, _ in found], ["N", "S", "B", "U"])
        self.assertTrue(found[2][1].endswith(b"the end"))
        kind, found = fields(Reply(LEAST).failed(MemoryError()))
        self.assertEqual(found[2], ("B", b"MemoryError\n"))


class DisplayTest(unittest.TestCase):
    """Forms of values."""

    def shown(self, value: Any) -> dict[str, str]:
        """The fields of a value."""
        reply = Reply(1 << 20)
        display.show(value, reply)
        return {tag: data.decode() for tag, data in fields(reply.done())[1]}

    def test_json_is_there_where_it_says_the_same(self) -> None:
        for value in (3, -(10**30), 1.5, "a", [1, (2,)], {"a": None}, True):
            self.assertEqual(json.loads(self.shown(value)["J"]), json.loads(json.dumps(value)))
        for value in (math.nan, [math.inf], {1}, b"x", object(), 1j):
            self.assertNotIn("J", self.shown(value))

    def test_forms_are_those_of_notebooks(self) -> None:
        class Shown:
            def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
                return b"\x89PNG", {"width": 1}

            def _repr_html_(self) -> str:
                return "<b>"

            def _repr_json_(self) -> list[int]:
                return [1]

            def _repr_svg_(self) -> None:
                raise NotImplementedError

        expected = {"image/png": "iVBORw==", "text/html": "<b>", "application/json": "[1]"}
        self.assertEqual(display.forms(Shown()), expected)
        self.assertEqual(display.forms(mock.MagicMock()), {})
        self.assertNotIn("M", self.shown(Shown))

    def test_a_form_that_fails_is_told_and_no_other_suffers(self) -> None:
        class Fails:
            def _repr_html_(self) -> str:
                raise ValueError("why")

            def _repr_latex_(self) -> str:
                return "$x$"

        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(display.forms(Fails()), {"text/latex": "$x$"})
        self.assertIn("ValueError: why", said.getvalue())


class TurnsTest(unittest.TestCase):
    """Turns in one namespace."""

    def setUp(self) -> None:
        main = types.ModuleType("__main__")
        inside = {
            "_refresh": lambda unbuffered: None,
            "_fresh_main": lambda: main,
            "_exit_code": lambda end: end.code or 0,
        }
        for patch in (
            mock.patch.dict(os.environ),
            mock.patch.dict(sys.modules, {"__main__": main}),
            mock.patch.object(sys, "argv", []),
            mock.patch.object(sys, "orig_argv", []),
            mock.patch.object(interactive.fresh, "start"),
        ):
            patch.start()
            self.addCleanup(patch.stop)
        self.program = interactive.Interactive(inside, ["a"], {"V": "1"}, False)
        self.addCleanup(lambda: self.program._runner and self.program._runner.close())

    def turn(self, text: str) -> tuple[int, dict[str, str]]:
        """Runs a turn; returns its kind and its fields."""
        asked = Request(request(session_wire.EXECUTE, text))
        kind, found = fields(self.program.execute(asked, Reply(asked.limit)))
        return kind, {tag: data.decode() for tag, data in found}

    def test_values_and_statements(self) -> None:
        self.assertEqual(self.turn("x = 1"), (0, {}))
        self.assertEqual(self.turn("x += 1\nx"), (0, {"T": "2", "J": "2"}))
        self.assertEqual(self.turn("_ * 2")[1]["T"], "4")
        self.assertEqual(
            self.turn("import sys, os; sys.argv, os.environ['V']")[1]["J"], '[["", "a"], "1"]'
        )
        for text in ("", "# c", "None", "pass"):
            self.assertEqual(self.turn(text), (0, {}))

    def test_one_line_that_assigns_is_compiled_at_once_and_does_the_same(self) -> None:
        is_one = interactive._ASSIGNMENT
        for text in ("x = 1", "x=1", "x += 1", "x **= 2", "x //= 3", "ä <<= 1", "x = y = 3", "x ="):
            self.assertIsNotNone(is_one(text), text)
        for text in (
            "x == 1",
            "x <= 1",
            "x",
            "x = 1; x",
            "x = 1\nx",
            "x = 1\rx",
            "x: int = 1",
            "x.y = 1",
            "f(x=1)",
            "(x := 1)",
            "1 = x",
        ):
            self.assertIsNone(is_one(text), text)
        for text in ("x = 3", "x += 4", "x = (", "x = await f()", "lambda = 1", "x = 1 # 2"):
            turns = []
            for one in (is_one, lambda text: None):
                with mock.patch.object(interactive, "_ASSIGNMENT", one):
                    self.turn("x = 2\nasync def f(): return 9")
                    kind, found = self.turn(text)
                    turns.append((kind, found.get("N"), self.turn("x")))
            self.assertEqual(turns[0], turns[1], text)

    def test_an_exception_shows_the_lines_of_its_turns_alone(self) -> None:
        self.turn("def f():\n    return 1 / 0")
        kind, found = self.turn("f()")
        self.assertEqual(
            (kind, found["N"], found["S"]), (1, "ZeroDivisionError", "division by zero")
        )
        self.assertIn('File "<turn 1>", line 2, in f\n    return 1 / 0', found["B"])
        self.assertNotIn("interactive.py", found["B"])
        kind, found = self.turn("raise KeyboardInterrupt")
        self.assertEqual((kind, found["N"]), (3, "KeyboardInterrupt"))
        kind, found = self.turn("x = (")
        self.assertEqual((kind, found["N"]), (1, "SyntaxError"))
        self.assertTrue(found["B"].startswith('  File "<turn 4>", line 1\n'), found["B"])

    def test_await_has_one_loop(self) -> None:
        self.turn("import asyncio\nasync def f(): return asyncio.get_running_loop()")
        self.turn("first = await f()")
        self.assertEqual(self.turn("first is await f()")[1]["T"], "True")
        kind, found = self.turn("async def g(): raise OSError(2)\n\nawait g()")
        self.assertEqual((kind, found["N"]), (1, "OSError"))
        self.assertNotIn("runners.py", found["B"])

    def test_sources_of_turns_that_left_nothing_are_forgotten(self) -> None:
        self.turn("def f(): pass")
        for _ in range(interactive._RECENT + 10):
            self.turn("pass")
        kept = [name for name in linecache.cache if name.startswith("<turn ")]
        self.assertEqual(len(kept), interactive._RECENT + 1)
        self.assertIn("<turn 1>", kept)

    def test_exit_ends_the_program(self) -> None:
        with mock.patch.object(ending, "end", side_effect=RuntimeError) as end:
            with self.assertRaises(RuntimeError) as ended:
                self.turn("raise SystemExit(3)")
            end.assert_called_once_with(3)
            self.assertIsNone(ended.exception.__context__, "nothing is being handled then")

    def test_a_hook_of_the_programs_own_sees_errors_and_values(self) -> None:
        self.turn("import sys\nseen = []\nsys.displayhook = seen.append")
        self.addCleanup(setattr, sys, "displayhook", sys.__displayhook__)
        self.turn("5")
        self.turn("sys.excepthook = lambda *error: seen.append(error[0])")
        self.addCleanup(setattr, sys, "excepthook", sys.__excepthook__)
        self.turn("1 / 0")
        self.turn("sys.displayhook = sys.__displayhook__")
        self.assertEqual(
            self.turn("seen[0], seen[-1].__name__")[1]["J"], '[5, "ZeroDivisionError"]'
        )

    def test_interruptions_that_come_too_late_are_told(self) -> None:
        with mock.patch.object(session, "_turn", side_effect=KeyboardInterrupt):
            self.assertEqual(session.turn(request(session_wire.EXECUTE, "x"), None), (0, False))
        _, number, length, _ = _HEAD.unpack_from(session._mailbox._room)
        body = bytes(session._mailbox._room[_HEAD.size : _HEAD.size + length])
        self.assertEqual((number, fields(body)[0]), (7, 3))


class CompletionTest(unittest.TestCase):
    """What a prompt asks."""

    def test_words_are_completed_from_the_namespace(self) -> None:
        names = {"long_name": "text", "json": json}
        for line, expected in [
            ("print(long_", ["long_", "long_name"]),
            ("x = json.dum", ["json.dum", "json.dump(", "json.dumps("]),
            ("1 + ", []),
            ("missing.x", ["missing.x"]),
        ]:
            self.assertEqual(completion.candidates(names, line), expected, line)

    def test_a_text_is_complete_or_needs_more(self) -> None:
        for text, expected in [
            ("x = 1", "yes"),
            ("if x:", "no"),
            ("if x:\n  y\n", "yes"),
            ("(", "no"),
            (")", "yes"),
            ("a = 1\nb = 2", "yes"),
        ]:
            self.assertEqual(completion.is_complete(text, 0), expected, text)


if __name__ == "__main__":
    unittest.main()
