"""Chunks and windows."""

import more_itertools

print(list(more_itertools.chunked(range(5), 2)), list(more_itertools.windowed("abc", 2)))
