"""What a person at a prompt may go on with."""

import codeop
import re
import rlcompleter
from typing import Any, Final

# The last word before the cursor, with the dots in it.
_WORD: Final = re.compile(r"[^\W\d][\w.]*\Z")
_MOST: Final = 200


def candidates(namespace: dict[str, Any], text: str) -> list[str]:
    """The words that could be meant by the last one, which come after it."""
    found = _WORD.search(text)
    if found is None:
        return []
    word = found.group()
    completer = rlcompleter.Completer(namespace)
    try:
        matches = completer.attr_matches(word) if "." in word else completer.global_matches(word)
    except Exception:  # the program's own attributes
        return []
    unique = list(dict.fromkeys(match.rstrip() for match in matches))
    return [word, *unique[:_MOST]]


def is_complete(text: str, flags: int) -> str:
    """`yes`, or `no` where the text needs more lines."""
    compiler = codeop.CommandCompiler()
    compiler.compiler.flags |= flags
    try:
        return "no" if compiler(text, "<input>", "single") is None else "yes"
    except Exception:
        # It is an error, or several statements at once: running it tells. Or the program has taken
        # away what `codeop` needs.
        return "yes"
