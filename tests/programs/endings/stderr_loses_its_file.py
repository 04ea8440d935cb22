"""The file of `sys.stderr` is closed below it."""

import os
import sys

print("end")
os.close(2)
sys.stderr.write("lost\n")
