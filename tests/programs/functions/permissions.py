"""Permissions, as far as they change nothing for their owner."""

import os
import tempfile

with tempfile.NamedTemporaryFile() as file:
    print(os.fchmod(file.fileno(), 0o600), os.chmod(file.name, 0o644))
    print(os.chown(file.name, -1, -1), os.fchown(file.fileno(), os.getuid(), os.getgid()))
first = os.umask(0o077)
print(os.umask(first) == 0o077, os.umask(first) == first)
for call in (lambda: os.fchmod(9999, 0o600), lambda: os.chown("/nowhere", 0, 0)):
    try:
        call()
    except OSError as error:
        print(type(error).__name__, error.strerror)
try:
    os.get_terminal_size(0)
except OSError as error:
    print(type(error).__name__)
print(len(os.getrandom(8)), os.sync())
os.register_at_fork(before=print)
