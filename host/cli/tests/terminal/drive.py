"""Runs a command at a terminal of its own, and does what a person there would do.

The arguments are the command. On stdin is a JSON list of steps: `["wait", TEXT]` until that is on
the screen (after what was waited for before), `["type", TEXT]`, `["touch", PATH]` for the program
to see, and `["pause", SECONDS]`. On stdout is a JSON object with the screen after each step, and
the exit code.
"""

import json
import os
import pty
import select
import signal
import sys
import time

# So long something may take that is to happen.
GUARD = 120


class Screen:
    """What the command has written to the terminal."""

    def __init__(self, master):
        self.master = master
        self.text = b""
        self.seen = 0
        self.is_over = False

    def read(self, seconds):
        """Reads what is there, and waits so long for it."""
        if self.is_over or not select.select([self.master], [], [], seconds)[0]:
            return
        try:
            piece = os.read(self.master, 65536)
        except OSError:
            piece = b""
        self.text += piece
        self.is_over = not piece

    def wait(self, text):
        """Reads until the text is there."""
        end = time.monotonic() + GUARD
        while (at := self.text.find(text, self.seen)) < 0:
            if self.is_over or time.monotonic() > end:
                raise SystemExit(f"no {text!r} after {self.text!r}")
            self.read(1)
        self.seen = at + len(text)


def main():
    """Does the steps."""
    steps = json.load(sys.stdin)
    child, master = pty.fork()
    if child == 0:
        os.execv(sys.argv[1], sys.argv[1:])
    signal.alarm(4 * GUARD)
    screen = Screen(master)
    screens = []
    for step, argument in steps:
        if step == "wait":
            screen.wait(argument.encode())
        elif step == "type":
            os.write(master, argument.encode())
        elif step == "touch":
            with open(argument, "x", encoding="ascii"):
                pass
        elif step == "pause":
            end = time.monotonic() + argument
            while (left := end - time.monotonic()) > 0:
                screen.read(left)
        screens.append(screen.text.decode(errors="replace"))
    while not screen.is_over:
        screen.read(GUARD)
    _, status = os.waitpid(child, 0)
    screens.append(screen.text.decode(errors="replace"))
    json.dump({"screens": screens, "code": os.waitstatus_to_exitcode(status)}, sys.stdout)


main()
