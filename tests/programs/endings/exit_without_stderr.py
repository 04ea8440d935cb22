"""The text of an exit code where there is no `sys.stderr`."""

import sys

sys.stderr = None
print("end")
sys.exit("no number")
