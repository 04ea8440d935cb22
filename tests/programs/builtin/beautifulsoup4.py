"""Reads HTML with each of its parsers."""

import bs4

for parser in ("html.parser", "lxml", "html5lib"):
    soup = bs4.BeautifulSoup("<p class=a>One <b>two</b><p>three", parser)
    print([p.get_text() for p in soup.select("p")], soup.select_one("p.a > b").string)
