"""Input that nobody reads, and its stream closed."""

import sys

print(sys.stdin.read(1) == "")
sys.stdin.close()
print("end")
