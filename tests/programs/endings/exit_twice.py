"""`sys.exit` while another one is under way."""

import sys

try:
    sys.exit(2)
finally:
    sys.exit(3)
