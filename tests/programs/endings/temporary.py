"""Temporary files and directories are removed."""

import atexit
import os
import tempfile
import warnings

warnings.simplefilter("ignore")
directory = tempfile.TemporaryDirectory()
file = tempfile.NamedTemporaryFile()
other = tempfile.NamedTemporaryFile(mode="w")
other.write("text")
paths = directory.name, file.name, other.name
exists = os.path.exists


@atexit.register
def before():
    print("atexit", [exists(path) for path in paths])


class Sees:
    def __del__(self):
        print("finalizer", exists(paths[0]))


sees = Sees()
sees.me = sees
print("end", [exists(path) for path in paths])
