"""A text as the exit code goes to stderr."""

import sys

print("end")
sys.exit("no number")
