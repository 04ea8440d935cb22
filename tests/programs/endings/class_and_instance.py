"""Metaclasses, slots, and a class whose finalizer needs other names of the program."""


class Meta(type):
    def __del__(cls):
        print("del class", cls.__name__)

    def __getattribute__(cls, name):
        return super().__getattribute__(name)


class A(metaclass=Meta):
    __slots__ = ()

    def __del__(self):
        print("del", helper(type(self).__name__))


def helper(text):
    return text.lower()


a = A()
keeps = [A()]
print("end")
