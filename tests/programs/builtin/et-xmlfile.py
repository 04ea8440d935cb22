"""Writes XML element by element."""

import io

from et_xmlfile import xmlfile

out = io.BytesIO()
with xmlfile(out) as xf, xf.element("root", {"a": "1"}), xf.element("b"):
    xf.write("text")
print(out.getvalue().decode())
