"""Makes what a program begins with its own, where the memory that it begins as is a copy.

A renewal costs nothing where its module is not loaded. What modules of a program's own keep is
known only of generators of random numbers: those that were seeded by chance get another seed.
"""

import contextlib
import gc
import os
import sys
import time
from collections.abc import Callable, Set
from typing import Any, Final

# Generators of `random` and of numpy that were made by imports and seeded by chance.
_generators: list[Any] = []
_numpy_generators: list[Any] = []
# A seed that numpy takes from the system has 128 bits, one that a program gives seldom over 64.
_GIVEN_BITS: Final = 64
# The words of the state of numpy's global generator.
_WORDS: Final = 624


def start() -> None:
    """Runs in every copy, before the program."""
    modules = sys.modules
    for name, renew in _RENEWALS.items():
        module = modules.get(name)
        if module is not None:
            renew(module)


def renewed(names: Set[str]) -> Set[str]:
    """Those of the modules that begin anew."""
    return names & _RENEWALS.keys()


def begin(name: str, module: Any) -> None:
    """Does the same for a module that was imported ahead, when a program gets it."""
    _RENEWALS[name](module)


def with_environment() -> None:
    """Runs once the environment is the program's: renews what was read of another one."""
    module = sys.modules.get("zoneinfo")
    if module is not None:
        _zoneinfo(module)


def collect() -> None:
    """Runs before a snapshot is taken: what is loaded is exempt from the collector."""
    gc.collect()
    gc.freeze()


def follow_generators() -> Callable[[], None]:
    """Remembers generators that are seeded by chance, until what it returns is called."""
    import random

    kind: Any = random.Random
    stock = kind.seed
    followed: list[Any] = []

    def seed(self: Any, a: Any = None, version: int = 2) -> None:
        stock(self, a, version)
        followed[:] = [each for each in followed if each is not self]
        if a is None and not isinstance(self, random.SystemRandom):
            followed.append(self)

    def end() -> None:
        kind.seed = stock
        _generators.extend(followed)
        numpy = sys.modules.get("numpy.random")
        if numpy is not None:
            _numpy_generators.extend(_chance_seeded(numpy))

    kind.seed = seed
    return end


def _chance_seeded(numpy: Any) -> list[Any]:
    kinds = (numpy.Generator, numpy.RandomState)
    legacy = numpy.mtrand._rand
    found = []
    for each in gc.get_objects():
        if not isinstance(each, kinds) or each is legacy:
            continue
        bits = each.bit_generator if isinstance(each, numpy.Generator) else each._bit_generator
        entropy = getattr(getattr(bits, "seed_seq", None), "entropy", None)
        if isinstance(entropy, int) and entropy.bit_length() > _GIVEN_BITS:
            found.append(bits)
    return found


def _random(module: Any) -> None:
    module.seed()
    for generator in _generators:
        generator.seed()


def _tempfile(module: Any) -> None:
    # The names of files, and the directory, which depends on the environment.
    module._name_sequence = None
    module.tempdir = None


def _uuid(module: Any) -> None:
    module._node = None
    module._last_timestamp = None
    for name in ("_last_timestamp_v6", "_last_timestamp_v7"):
        if hasattr(module, name):
            setattr(module, name, None)


def _logging(module: Any) -> None:
    module._startTime = time.time_ns() if sys.version_info >= (3, 13) else time.time()


def _zoneinfo(module: Any) -> None:
    if "PYTHONTZPATH" in os.environ:
        module.reset_tzpath()


def _numpy(module: Any) -> None:
    # Any words are a state. To let numpy make one of a seed takes several times as long.
    words = memoryview(os.urandom(4 * _WORDS)).cast("I").tolist()
    # A generator of another kind is the program's own.
    with contextlib.suppress(TypeError, ValueError):
        module.set_state(("MT19937", words, _WORDS))
    for bits in _numpy_generators:
        bits.state = type(bits)().state


def _bson(module: Any) -> None:
    kind = module.ObjectId
    kind._ObjectId__random = os.urandom(5)
    kind._inc = int.from_bytes(os.urandom(3), "big")


def _uuid6(module: Any) -> None:
    for version in (6, 7, 8):
        name = f"_last_v{version}_timestamp"
        if hasattr(module, name):
            setattr(module, name, None)


_RENEWALS: Final[dict[str, Callable[[Any], None]]] = {
    "random": _random,
    "tempfile": _tempfile,
    "uuid": _uuid,
    "logging": _logging,
    "numpy.random": _numpy,
    "bson.objectid": _bson,
    "uuid6": _uuid6,
    "zoneinfo": _zoneinfo,
}
