"""Reads the broker's JSON.

Not with the module `json`: a program's own `json.py` would take its place, and a program that does
not import it would pay for it.
"""

MYPY = False  # no program pays for `typing`
if MYPY:
    from typing import Any

_ESCAPES = {
    '"': '"',
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}
_WORDS = {"true": True, "false": False, "null": None}
_SPACE = " \t\r\n"
_MAX_DEPTH = 32


def quote(text: "str") -> "str":
    """Returns `text` as a JSON string."""
    parts = ['"']
    for char in text:
        if char in '"\\':
            parts.append("\\" + char)
        elif " " <= char <= "~":
            parts.append(char)
        else:
            packed = char.encode("utf-16-be", "surrogatepass")
            for at in range(0, len(packed), 2):
                parts.append(f"\\u{packed[at]:02x}{packed[at + 1]:02x}")
    parts.append('"')
    return "".join(parts)


def loads(text: "str") -> "Any":
    """Returns the value that `text` is.

    Raises:
        ValueError: it is no JSON.
    """
    reader = _Reader(text)
    value = reader.value(0)
    reader.skip()
    if reader.at != len(text):
        raise ValueError("more follows the JSON")
    return value


class _Reader:
    def __init__(self, text: "str") -> "None":
        self.text = text
        self.at = 0

    def skip(self) -> "None":
        while self.text[self.at : self.at + 1] and self.text[self.at] in _SPACE:
            self.at += 1

    def _peek(self) -> "str":
        self.skip()
        return self.text[self.at : self.at + 1]

    def _take(self, char: "str") -> "bool":
        if self._peek() != char:
            return False
        self.at += 1
        return True

    def _expect(self, char: "str") -> "None":
        if not self._take(char):
            raise ValueError(f"no JSON: {char!r} is missing at {self.at}")

    def value(self, depth: "int") -> "Any":
        if depth > _MAX_DEPTH:
            raise ValueError("no JSON that this reads: it is too deep")
        char = self._peek()
        if char == "{":
            return self._object(depth)
        if char == "[":
            return self._array(depth)
        if char == '"':
            return self._string()
        return self._word()

    def _object(self, depth: "int") -> "dict[str, object]":
        self._expect("{")
        found = {}  # type: dict[str, object]
        if self._take("}"):
            return found
        while True:
            self.skip()
            key = self._string()
            self._expect(":")
            found[key] = self.value(depth + 1)
            if not self._take(","):
                self._expect("}")
                return found

    def _array(self, depth: "int") -> "list[object]":
        self._expect("[")
        found = []  # type: list[object]
        if self._take("]"):
            return found
        while True:
            found.append(self.value(depth + 1))
            if not self._take(","):
                self._expect("]")
                return found

    def _string(self) -> "str":
        self._expect('"')
        parts = []  # type: list[str]
        while True:
            char = self.text[self.at : self.at + 1]
            self.at += 1
            if char == '"':
                text = "".join(parts)
                # Joins the two halves of a character outside the basic plane.
                return text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")
            if char == "\\":
                parts.append(self._escape())
            elif char < " ":
                raise ValueError("no JSON: a string does not end")
            else:
                parts.append(char)

    def _escape(self) -> "str":
        char = self.text[self.at : self.at + 1]
        self.at += 1
        if char == "u":
            digits = self.text[self.at : self.at + 4]
            self.at += 4
            if len(digits) != 4:
                raise ValueError("no JSON: an escape is cut off")
            return chr(int(digits, 16))
        if char not in _ESCAPES:
            raise ValueError("no JSON: an unknown escape")
        return _ESCAPES[char]

    def _word(self) -> "Any":
        start = self.at
        while self.text[self.at : self.at + 1] and self.text[self.at] not in ',]}"' + _SPACE:
            self.at += 1
        word = self.text[start : self.at]
        if word in _WORDS:
            return _WORDS[word]
        if word.lstrip("-").isdigit():
            return int(word)
        return float(word)
