"""Compiles what was unpacked into ``/packages``, with the interpreter that will import it.

It runs in a sandbox, once for each set of packages, so that no run compiles them again. A file
that does not compile, such as a template, is skipped; importing it reports the error.
"""

import compileall
import py_compile

compileall.compile_dir(
    "/packages",
    quiet=2,
    workers=1,
    # These files never change, so the import system need not look at the sources.
    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
)
