"""Finalizers make more objects with finalizers."""


class A:
    left = 5

    def __init__(self):
        self.me = self

    def __del__(self):
        print("del")
        if A.left:
            A.left -= 1
            A()


a = A()
print("end")
