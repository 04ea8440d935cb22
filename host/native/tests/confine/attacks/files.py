"""Attacks on files, and bombs."""

import os
import signal
import stat
import tempfile
import time

from attacks.common import SECRET, TARGETS


def read_file(path):
    with open(path, "rb") as file:
        return SECRET in file.read(64)


def ssh_key():
    return read_file(TARGETS["home"] + "/.ssh/id_ed25519")


def shadow():
    with open("/etc/shadow") as file:
        return ":" in file.read()


def change_mode():
    os.chmod(TARGETS["read"] + "/file", 0o600)
    return stat.S_IMODE(os.stat(TARGETS["read"] + "/file").st_mode) == 0o600


def change_owner():
    os.chown(TARGETS["read"] + "/file", os.getuid(), os.getgid())
    return True


def set_user_id():
    path = TARGETS["write"] + "/program"
    with open(path, "w"):
        os.chmod(path, 0o4755)
    return bool(os.stat(path).st_mode & stat.S_ISUID)


def set_user_id_at_once():
    path = TARGETS["write"] + "/other"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o4755))
    return bool(os.stat(path).st_mode & stat.S_ISUID)


def mode_of_device():
    mode = stat.S_IMODE(os.stat("/dev/full").st_mode)
    os.chmod("/dev/full", mode)  # the same: the machine's own device is at stake
    return True


def rename():
    os.rename(TARGETS["read"] + "/file", TARGETS["read"] + "/renamed")
    return True


def write_file():
    with open(TARGETS["read"] + "/file", "a") as file:
        file.write("x")
    return True


def symbolic_link():
    link = TARGETS["write"] + "/link"
    os.symlink(TARGETS["home"] + "/.ssh/id_ed25519", link)
    return read_file(link)


def other_root():
    root = "/proc/1/root" if "INIT" in os.environ else "/proc/self/root"
    return read_file(root + TARGETS["home"] + "/.ssh/id_ed25519")


def parent_directories():
    return read_file(TARGETS["read"] + "/../home/.ssh/id_ed25519")


def fork_bomb():
    children = []
    try:
        for _ in range(60):
            child = os.fork()
            if child == 0:
                time.sleep(30)
                os._exit(0)
            children.append(child)
    finally:
        print("processes", len(children))
        for child in children:
            os.kill(child, signal.SIGKILL)
    return len(children) == 60


def memory_bomb():
    held = bytearray(400 << 20)
    held[::4096] = b"x" * len(held[::4096])
    return len(held) == 400 << 20


def disk_bomb():
    with open(tempfile.mktemp(), "wb") as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    return True
