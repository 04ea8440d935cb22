"""The stack of Python is used up."""


class A:
    def __del__(self):
        print("del")


def deeper():
    local = A()
    return deeper_still(local)


def deeper_still(local, depth=0):
    return deeper_still(local, depth + 1)


print("end")
deeper()
