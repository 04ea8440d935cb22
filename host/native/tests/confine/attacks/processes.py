"""Attacks on other processes and on the system."""

import ctypes
import os
import resource
import signal
import struct
import tempfile

from attacks.common import LIBC, TARGETS, ask_by_program, checked, syscall


def trace():
    checked(LIBC.ptrace(16, TARGETS["victim"], None, None))
    os.waitpid(TARGETS["victim"], 0x40000000)
    checked(LIBC.ptrace(17, TARGETS["victim"], None, None))
    return True


def priority_of_group():
    os.setpriority(os.PRIO_PGRP, 0, os.getpriority(os.PRIO_PROCESS, 0))
    return True


def limits_of_parent():
    now = resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)
    resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, now)
    return True


def memory(victim):
    with open(f"/proc/{victim}/maps") as maps:
        start = int(next(line for line in maps if "r-" in line).split("-")[0], 16)
    with open(f"/proc/{victim}/mem", "rb") as file:
        file.seek(start)
        return len(file.read(16)) == 16


def memory_of_broker():
    return memory(TARGETS["victim"])


def memory_of_init():
    return memory(int(os.environ.get("INIT", TARGETS["victim"])))


def read_process_memory():
    victim = int(os.environ.get("INIT", TARGETS["victim"]))
    buffer = ctypes.create_string_buffer(16)
    local = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 16)
    with open("/proc/%s/maps" % ("self" if "INIT" in os.environ else victim)) as maps:
        start = int(next(line for line in maps if "r-" in line).split("-")[0], 16)
    remote = (ctypes.c_size_t * 2)(start, 16)
    return checked(LIBC.process_vm_readv(victim, local, 1, remote, 1, 0)) > 0


def take_descriptor():
    victim = int(os.environ.get("INIT", TARGETS["victim"]))
    handle = syscall(434, victim, 0)
    syscall(438, handle, 0, 0)
    return True


def kill():
    os.kill(
        int(os.environ.get("INIT", TARGETS["victim"])),
        0 if "INIT" in os.environ else signal.SIGUSR1,
    )
    return True


def kill_all():
    os.kill(TARGETS["victim"], signal.SIGUSR1)
    return True


def unshare():
    checked(LIBC.unshare(0x10000000))
    return True


def clone():
    return ask_by_program([TARGETS["binary"], "clone"])


def clone3():
    return ask_by_program([TARGETS["binary"], "clone3"])


def enter_namespace():
    namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
    checked(LIBC.setns(namespace, 0x40000000))
    return True


def namespace_of_another():
    os.open(f"/proc/{TARGETS['victim']}/ns/net", os.O_RDONLY)
    return True


def mount():
    directory = tempfile.mkdtemp()
    checked(LIBC.mount(b"none", directory.encode(), b"tmpfs", 0, None))
    LIBC.umount2(directory.encode(), 2)
    return True


def new_mount():
    os.close(syscall(430, b"tmpfs", 0))
    return True


def change_root():
    if os.fork() == 0:
        try:
            os.chroot("/usr")
            os._exit(0)
        except OSError as error:
            print(error, flush=True)
            os._exit(1)
    return os.wait()[1] == 0


def keys():
    number = {"x86_64": 250, "aarch64": 219}[os.uname().machine]
    syscall(number, 0, -3, 0)
    return True


def fault_handler():
    number = {"x86_64": 323, "aarch64": 282}[os.uname().machine]
    os.close(syscall(number, 0x80001))
    return True


def performance_events():
    attributes = ctypes.create_string_buffer(struct.pack("=II", 1, 112) + bytes(104), 112)
    number = {"x86_64": 298, "aarch64": 241}[os.uname().machine]
    os.close(syscall(number, attributes, 0, -1, -1, 0))
    return True


def programs_in_kernel():
    # BPF_MAP_CREATE of an array.
    attributes = ctypes.create_string_buffer(struct.pack("=IIII", 2, 4, 4, 1) + bytes(56), 72)
    number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
    os.close(syscall(number, 0, attributes, 72))
    return True


def terminal_input():
    import fcntl

    main, other = os.openpty()
    fcntl.ioctl(other, 0x5412, b"x")
    os.close(main)
    return True


def kernel_setting():
    os.close(os.open("/proc/sys/kernel/hostname", os.O_WRONLY))
    return True
