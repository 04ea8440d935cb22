"""CSS selectors over a tree."""

import bs4
import soupsieve

tree = bs4.BeautifulSoup("<ul><li>1<li class=x>2<li>3</ul>", "html5lib")
print([item.text for item in soupsieve.select("li:not(.x):nth-child(odd)", tree)])
