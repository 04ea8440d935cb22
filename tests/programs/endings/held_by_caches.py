"""A class of the program that a cache of `typing` holds, and with it the program."""

import typing


class A:
    def __del__(self):
        print("del")


Maybe = typing.Optional[A]
a = A()
file = open("held-by-caches.tmp", "w")
file.write("written all the same")
print("end")
