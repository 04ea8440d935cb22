"""The end of a program. `tests/programs/endings` has the programs that show it as a whole."""

import gc
import io
import sys
import unittest
import weakref
from typing import Any

import support  # noqa: F401
from sandbox_net import ending_leftovers, main_program, uncaught


class Ending(unittest.TestCase):
    def test_arguments_are_those_of_cpython(self) -> None:
        for args, expected in (
            ([], (False, "-", None, ())),
            (["-u", "a.py", "-c"], (True, "", "a.py", ["-c"])),
            (["-c", "print()", "-u"], (False, "-c", "print()", ["-u"])),
            (["-", "x"], (False, "-", "-", ["x"])),
            (["-m", "x", "y"], (False, "-m", "x", ["y"])),
            (["-c"], None),
            (["-V"], None),
        ):
            self.assertEqual(main_program.parse(["python", *args]), expected)

    def test_only_what_may_be_seen_to_end_is_found(self) -> None:
        class Finalized:
            def __del__(self) -> None:
                pass

        def generator() -> Any:
            yield

        begun, over = generator(), generator()
        next(begun)
        list(over)
        finalized, plain, memory = Finalized(), type("Plain", (), {})(), io.BytesIO()
        called = weakref.ref(plain, lambda _: None)
        forgets = weakref.WeakValueDictionary(a=plain)
        seen = ending_leftovers.find()
        self.assertTrue({id(begun), id(finalized), id(Finalized), id(called)} <= seen)
        self.assertFalse({id(over), id(plain), id(type(plain)), id(memory)} & seen)
        self.assertEqual(len(forgets), 1)
        left = ending_leftovers.find(seen)
        self.assertTrue({id(begun), id(finalized), id(called)} <= left <= seen)
        self.assertNotIn(id(Finalized), left)
        gc.freeze()
        self.addCleanup(gc.unfreeze)
        self.assertFalse({id(begun), id(finalized)} & ending_leftovers.find())

    def test_an_error_without_a_listener_goes_to_the_hook(self) -> None:
        seen: list[Any] = []
        hook, sys.unraisablehook = sys.unraisablehook, seen.append
        self.addCleanup(setattr, sys, "unraisablehook", hook)
        error = ValueError("x")
        uncaught.unraisable("Exception ignored here", error, self)
        (told,) = seen
        self.assertEqual((told.exc_type, told.exc_value), (ValueError, error))
        self.assertEqual((told.err_msg, told.object), ("Exception ignored here", self))


if __name__ == "__main__":
    unittest.main()
