"""Types of newer Pythons."""

from typing_extensions import TypedDict, get_type_hints, override


class Row(TypedDict):
    a: int


print(Row(a=1), get_type_hints(Row), callable(override))
