"""Locks of files."""

import fcntl
import os
import tempfile

path = os.path.join(tempfile.mkdtemp(), "lock")
TAKE = fcntl.LOCK_EX | fcntl.LOCK_NB
SHARE = fcntl.LOCK_SH | fcntl.LOCK_NB


def attempt(file, operation):
    try:
        return fcntl.flock(file, operation)
    except BlockingIOError as error:
        return type(error).__name__


with open(path, "w") as first, open(path) as second:
    print(attempt(first, TAKE), attempt(second, TAKE), attempt(second, SHARE))
    print(attempt(first, fcntl.LOCK_UN), attempt(second, SHARE), attempt(first, SHARE))
    print(attempt(first, TAKE), attempt(second, fcntl.LOCK_UN), attempt(first, TAKE))
    print(fcntl.lockf(first, TAKE), fcntl.lockf(first, fcntl.LOCK_UN))
# Closing releases it.
with open(path) as third:
    print(attempt(third, TAKE))
one = os.open(path, os.O_RDWR | os.O_CREAT)
two = os.open(path, os.O_RDWR)
print(attempt(one, TAKE), attempt(two, TAKE), os.close(one), attempt(two, TAKE))
print(fcntl.fcntl(two, fcntl.F_GETFD), fcntl.fcntl(two, fcntl.F_SETFD, 0))
print(fcntl.fcntl(two, fcntl.F_GETFD), fcntl.fcntl(two, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR)
os.close(two)
for call in (
    lambda: fcntl.flock(9999, fcntl.LOCK_EX),
    lambda: fcntl.lockf(9999, fcntl.LOCK_EX),
    lambda: fcntl.fcntl(9999, fcntl.F_GETFD),
    lambda: fcntl.flock(-1, fcntl.LOCK_EX),
    lambda: fcntl.flock("x", fcntl.LOCK_EX),
):
    try:
        call()
    except (OSError, ValueError, TypeError) as error:
        print(type(error).__name__)
