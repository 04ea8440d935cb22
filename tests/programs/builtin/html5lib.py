"""Reads HTML as a browser does."""

import html5lib

tree = html5lib.parse("<table><td>x", namespaceHTMLElements=False)
print([element.tag for element in tree.iter()])
