"""What the interpreter runs before the bootstrap: its library is a directory now.

The distribution's own snapshot was taken with the library in an archive. Its importer is remembered, and
the modules that were loaded from it would look for their data in there.
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
