"""A function that the codecs hold keeps the program to the very end."""

import codecs


class A:
    def __del__(self):
        print("del")


def search(name):
    return None


codecs.register(search)
a = A()
print("end")
