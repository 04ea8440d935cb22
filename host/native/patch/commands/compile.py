"""Compiles the patch, so that no start of the interpreter has to; a failure costs only time."""

import py_compile
import sys

for path in sys.argv[1:]:
    try:
        py_compile.compile(path, doraise=True)
    except (OSError, py_compile.PyCompileError):
        continue
