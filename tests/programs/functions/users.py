"""The user who runs the program."""

import getpass
import grp
import os
import pwd
import tempfile

me = os.getuid()
print(
    me == os.geteuid(), os.getgid() == os.getegid(), os.getgid() in [*os.getgroups(), os.getgid()]
)
with tempfile.NamedTemporaryFile() as file:
    print(os.stat(file.name).st_uid == me, os.fstat(file.fileno()).st_uid == me)
entry = pwd.getpwuid(me)
print(entry.pw_uid == me == entry[2], pwd.getpwnam(entry.pw_name) == entry, entry in pwd.getpwall())
print(len(entry), type(entry).__name__, grp.getgrgid(entry.pw_gid).gr_gid == entry.pw_gid)
os.environ.update(LOGNAME="somebody")
print(getpass.getuser())
for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
    os.environ.pop(name, None)
print(getpass.getuser() == entry.pw_name)
for call in (lambda: pwd.getpwnam("nobody-at-all"), lambda: grp.getgrnam("nobody-at-all")):
    try:
        call()
    except KeyError as error:
        print(error)
try:
    pwd.getpwuid("0")
except TypeError:
    print("TypeError")
print(os.getpid() != os.getppid() > 0, os.getpgid(0) == os.getpgrp())
print(isinstance(os.cpu_count(), int), len(os.sched_getaffinity(0)) >= 1)
os.kill(os.getpid(), 0)
for call in (lambda: os.kill(2**22 + 1, 0), lambda: os.waitpid(-1, 0), lambda: os.wait()):
    try:
        call()
    except OSError as error:
        print(type(error).__name__)
