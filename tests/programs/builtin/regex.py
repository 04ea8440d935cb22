"""What `re` cannot: recursion, fuzzy matches, sets and properties."""

import regex

print(regex.fullmatch(r"\((?:[^()]|(?R))*\)", "(a(b)c)") is not None)
print(regex.search(r"(?:hello){e<=1}", "helo").group(), regex.findall(r"\p{Lu}", "aÄbЖ"))
print(regex.sub(r"(?V1)[[a-z]--[aeiou]]", "-", "hello"))
