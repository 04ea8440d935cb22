"""Escapes HTML."""

from markupsafe import Markup, escape

print(escape("<a & 'b'>"), Markup("<em>%s</em>") % "<x>")
