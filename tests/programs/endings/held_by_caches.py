"""Classes of the program that caches of the library hold, and with them the program."""

import copyreg
import functools
import re
import typing


class A:
    def __init__(self, name="class"):
        self.name = name

    def __del__(self):
        print("del", self.name)

    def reduce(self):
        return A, ()


Maybe = typing.Optional[A]
Many = typing.List[A]
copyreg.pickle(A, A.reduce)
print(re.sub("a", lambda found: found[0].upper(), "banana"))


@functools.lru_cache
def cached(value):
    return A(value)


cached("in a cache")
a = A("in the program")
print("end")
