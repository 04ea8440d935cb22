"""Importing this keeps the libraries in memory: all files of the directories in `sys.path`.

A snapshot that is made with it needs no directory: `sandbox-net componentize --embed`.
"""

import sys
from typing import Final

from .memory_library import embed

LIBRARY: Final = embed([path for path in sys.path if path.startswith("/")])
