"""Callbacks of weak references, and `weakref.finalize`."""

import weakref


class Thing:
    pass


def called(reference):
    print("callback", reference() is None)


thing, other, cyclic = Thing(), Thing(), Thing()
cyclic.me = cyclic
a = weakref.ref(thing, called)
b = weakref.ref(other, called)
c = weakref.ref(cyclic, called)
values = weakref.WeakValueDictionary(one=thing)
finalize = weakref.finalize(other, print, "finalize other")
late = weakref.finalize(thing, print, "finalize thing", "with", key := "arguments")
never = weakref.finalize(cyclic, print, "never")
never.atexit = False
del other
print("end", finalize.alive, late.alive)
