"""What a finalizer finds that runs as its module ends."""

import sys


class Looks:
    def __del__(self, sys=sys):
        print(sys.is_finalizing(), sys.path, sys.modules.get("__main__"), len(sys.modules) > 10)
        try:
            import decimal

            print("imported", decimal)
        except ImportError as error:
            print(type(error).__name__, error)
        print(globals().get("z", "gone"), globals().get("a", "gone"))


a = 1
looks = Looks()
del Looks
z = 2
print("end")
