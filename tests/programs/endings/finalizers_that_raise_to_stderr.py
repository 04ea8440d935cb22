"""Without a hook errors in finalizers are written to stderr."""


class Raises:
    def __del__(self):
        raise ValueError("from a finalizer")


a = Raises()
b = Raises()
b.b = b
print("end")
