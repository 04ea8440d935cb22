"""What the interpreter runs before its snapshot is taken.

The host mounts the package ``sandbox_net`` at ``/shim`` for this one turn; without a network, the
modules of it that need none. It leaves an interpreter that a program finds as if it had just been
started.
"""

import builtins
import os
import sys

SHIM = "/shim"
PACKAGES = "/packages"

sys.path.insert(0, SHIM)
import sandbox_net.prepare  # noqa: E402

sandbox_net.prepare.prepare()
sys.path.remove(SHIM)
sys.path_importer_cache.clear()
# As with `python -c` and `python -m`, the working directory comes first. Packages are found after
# the standard library, which carries the compiled ones.
sys.path.insert(0, "")
sys.path.append(PACKAGES)
os.chdir("/home")

# The turn made `exit` and `quit` those of a session; a program has the ordinary ones.
import _sitebuiltins  # noqa: E402

for name in ("exit", "quit"):
    setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
