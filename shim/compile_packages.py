"""Compiles what was unpacked into ``/packages``, with the interpreter that will import it.

It runs in a sandbox, once for a set of packages, so that no run compiles them again. A file that
does not compile, such as a template, is left to fail where it is imported.
"""

import compileall
import py_compile

compileall.compile_dir(
    "/packages",
    quiet=2,
    workers=1,
    # Nothing changes in there: a look at the source for every import would be for nothing.
    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
)
