"""Finalizers of objects at module level, in cycles, in containers and in classes."""


class Named:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("del", self.name)


first = Named("first")
second = Named("second")
cycle = Named("cycle")
cycle.itself = cycle
pair = Named("pair 1"), Named("pair 2")
pair[0].other, pair[1].other = pair[1], pair[0]
contained = {"a": Named("in a dict"), "b": [Named("in a list")]}
_private = Named("private")
__dunder__ = Named("dunder")
Named.kept = Named("in its own class")


def with_default(value=Named("a default")):
    return lambda: value


closure = with_default()
end = Named("end")
end2 = Named("replaced")
end2 = None
del first
print("end")
