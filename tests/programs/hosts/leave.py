"""Leaves with the exit code that the argument says."""

import sys

sys.exit(int(sys.argv[1]))
