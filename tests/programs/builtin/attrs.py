"""A class with a default, a converter and a validator."""

import attrs


@attrs.define
class Point:
    x: int = attrs.field(converter=int, validator=attrs.validators.ge(0))
    y: int = 2


print(Point("1"), attrs.asdict(Point(3)))
try:
    Point(-1)
except ValueError:
    print("refused")
