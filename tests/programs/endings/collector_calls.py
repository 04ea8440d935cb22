"""Callbacks of the collector at the end."""

import gc


class A:
    def __del__(self):
        print("del")


cycle = [A()]
cycle.append(cycle)
kept = A()
kept.me = kept
del cycle
gc.callbacks.append(lambda phase, info: print(phase, info["generation"]))
print("end")
