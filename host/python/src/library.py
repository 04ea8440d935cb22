"""Runs before the bootstrap, because the interpreter's library is a directory now.

The distribution's own snapshot was taken with the library in an archive. It remembers the archive's
importer, and the modules loaded from it would look for their data there.
"""

import sys
import zipimport

sys.path_importer_cache.clear()
zipimport._zip_directory_cache.clear()

from importlib.machinery import SourcelessFileLoader  # noqa: E402

for module in tuple(sys.modules.values()):
    spec = getattr(module, "__spec__", None)
    if spec is not None and isinstance(spec.loader, zipimport.zipimporter):
        spec.loader = module.__loader__ = SourcelessFileLoader(spec.name, spec.origin)
del module, spec
