"""Both Pythons."""

import six
from six.moves.urllib.parse import urlencode

print(six.ensure_str(b"a"), urlencode({"a": "b c"}), six.PY3)
