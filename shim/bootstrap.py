"""Runs in the interpreter before its snapshot is taken.

For this one run the host mounts the package ``sandbox_net`` at ``/shim``; without a network, only
the modules that need none. Afterwards the interpreter looks to a program as if it had just started.
"""

import builtins
import copy
import os
import sys

SHIM = "/shim"
PACKAGES = "/packages"
# Packages that were requested in another version than the built-in one.
REPLACING = "/packages/.before-the-library"

sys.path.insert(0, SHIM)
import sandbox_net.prepare  # noqa: E402

sandbox_net.prepare.prepare()
sys.path.remove(SHIM)
sys.path_importer_cache.clear()
# As with `python -c` and `python -m`, the working directory comes first. Packages come after the
# standard library, which contains the built-in ones, unless they replace one of those.
sys.path[:0] = ["", REPLACING]
sys.path.append(PACKAGES)
os.chdir("/home")
# An import error would otherwise blame the missing `site`, which would have nothing to do.
sys.flags = copy.replace(sys.flags, no_site=0)  # type: ignore[misc, type-var]

# This run set the `exit` and `quit` of an interactive session; a program gets the ordinary ones.
import _sitebuiltins  # noqa: E402

for name in ("exit", "quit"):
    setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
