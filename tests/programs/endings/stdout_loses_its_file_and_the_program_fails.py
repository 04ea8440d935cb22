"""An exception does not hide that the output is lost."""

import os

print("lost")
os.close(1)
raise ValueError("x")
