"""Pipes and groups."""

import tlz
import toolz

print(
    toolz.pipe(3, lambda n: n + 1, str),
    toolz.groupby(len, ["a", "bb", "c"]),
    tlz.merge({1: 2}, {3: 4}),
)
