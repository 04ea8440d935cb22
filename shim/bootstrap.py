"""What the interpreter runs before its snapshot is taken.

The host mounts the package ``sandbox_net`` at ``/shim`` for this one turn; without a network, the
modules of it that need none. It leaves an interpreter that a program finds as if it had just been
started.
"""

import builtins
import copy
import os
import sys

SHIM = "/shim"
PACKAGES = "/packages"
# Other versions of what the library carries, which a program has asked for.
REPLACING = "/packages/.before-the-library"

sys.path.insert(0, SHIM)
import sandbox_net.prepare  # noqa: E402

sandbox_net.prepare.prepare()
sys.path.remove(SHIM)
sys.path_importer_cache.clear()
# As with `python -c` and `python -m`, the working directory comes first. Packages are found after
# the standard library, which carries the compiled ones, unless they replace what it carries.
sys.path[:0] = ["", REPLACING]
sys.path.append(PACKAGES)
os.chdir("/home")
# There is nothing for `site` to do, so that its absence explains no failure of an import.
sys.flags = copy.replace(sys.flags, no_site=0)  # type: ignore[misc, type-var]

# The turn made `exit` and `quit` those of a session; a program has the ordinary ones.
import _sitebuiltins  # noqa: E402

for name in ("exit", "quit"):
    setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
