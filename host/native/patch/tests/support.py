"""Runs programs in this interpreter with the patch, as an installed one would be."""

import json
import os
import subprocess
import sys

PATCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_KEPT = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")

# Prints how something ended: the value, or the exception's class, arguments and attributes.
PRELUDE = """
import json, sys
def show(call):
    try:
        told = {"value": call()}
    except BaseException as error:
        told = {"kind": type(error).__name__, "args": [str(x) for x in error.args],
                "text": str(error), "bases": [k.__name__ for k in type(error).__mro__],
                "more": {k: str(v) for k, v in getattr(error, "__dict__", {}).items()}}
    print(json.dumps(told, default=str))
"""


def environment(broker=None, **more):
    """The variables of a program that is routed to `broker`."""
    env = {name: os.environ[name] for name in _KEPT if name in os.environ}
    env["PYTHONPATH"] = PATCH
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    if broker is not None:
        env.update(broker.environment())
    env.update(more)
    return env


def run(program, broker=None, timeout=60, arguments=(), **more):
    """Runs a program; returns what it printed."""
    command = [sys.executable, "-W", "ignore", *list(arguments), "-c", program]
    env = environment(broker, **more)
    kinds = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    done = subprocess.run(command, env=env, timeout=timeout, **kinds)
    if done.returncode:
        raise AssertionError(done.stderr.decode("utf-8", "replace"))
    return done.stdout.decode()


def show(program, expression, broker=None, **more):
    """Runs a program and evaluates an expression in it; returns how that ended."""
    source = f"{PRELUDE}\n{program}\nshow(lambda: {expression})\n"
    return json.loads(run(source, broker, **more).splitlines()[-1])
