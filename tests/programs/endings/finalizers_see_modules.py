"""What a finalizer finds of the interpreter."""

import builtins
import json
import os
import sys


class Looks:
    def __del__(self):
        print("json", json is not None and json.dumps([1]), "os", os is not None and os.sep)
        print("name", __name__, "file" in globals(), "Looks" in globals(), sys.is_finalizing())
        print("path", sys.path, "argv", sys.argv, "meta_path", sys.meta_path)
        try:
            import json as again

            print("imported", again is json)
        except ImportError as error:
            print(type(error).__name__, error)
        try:
            import decimal

            print("imported", decimal)
        except ImportError as error:
            print(type(error).__name__, error)
        print(hasattr(builtins, "open"), hasattr(builtins, "len"), hasattr(builtins, "exit"))


builtins.mine = 1
looks = Looks()
looks.me = looks
print("end")
