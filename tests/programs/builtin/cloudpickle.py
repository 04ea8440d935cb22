"""Takes a closure there and back."""

import pickle

import cloudpickle


def adder(n: int):
    return lambda m: n + m


print(pickle.loads(cloudpickle.dumps(adder(40)))(2))
