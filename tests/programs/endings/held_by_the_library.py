"""Objects that modules of the library hold."""

import collections
import json
import logging
import os
import sys


class A:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("del", self.name)


os.own = A("in os")
json.JSONEncoder.own = A("in a class of json")
logging.getLogger("x").own = A("in a logger")
collections.abc.Sized.register(A)
sys.modules["made-up"] = A("in sys.modules")
here = A("in the program")
print("end")
