"""Weak references that modules of the library hold."""

import logging
import weakref

registry = weakref.WeakSet()


class Thing:
    def __del__(self):
        print("del", len(registry))


class Handler(logging.Handler):
    def emit(self, record):
        print("record", record.getMessage())

    def close(self):
        print("close")
        super().close()

    def __del__(self):
        print("del handler")


things = [Thing(), Thing()]
registry.update(things)
handler = Handler()
logging.getLogger("x").addHandler(handler)
logging.getLogger("x").warning("text")
print("end")
