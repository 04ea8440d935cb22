"""Attacks through what others left open, and their sockets."""

import os
import socket
import tempfile

from attacks.common import SECRET, TARGETS, ask_by_program, stream, told


def inherited_socket():
    os.write(7, b"by a descriptor")
    return SECRET in os.read(7, 64)


def inherited_directory():
    return SECRET in os.read(os.open("secret", os.O_RDONLY, dir_fd=8), 64)


def unix(path):
    connection = stream(socket.AF_UNIX)
    connection.connect(path)
    return told(connection)


def abstract_socket():
    return unix("\0" + TARGETS["abstract"])


def docker_socket():
    return unix(TARGETS["run"] + "/docker.sock")


def session_bus():
    return unix(TARGETS["run"] + "/bus")


def ssh_agent():
    return unix(os.environ["SSH_AUTH_SOCK"])


def socket_in_read():
    return unix(TARGETS["read"] + "/docker.sock")


def socket_in_write():
    return unix(TARGETS["write"] + "/docker.sock")


def socket_by_relative_path():
    os.chdir(TARGETS["read"])
    return unix("docker.sock")


def socket_by_link():
    link = tempfile.mktemp()
    os.symlink(TARGETS["read"] + "/docker.sock", link)
    return unix(link)


def socket_by_hard_link():
    link = TARGETS["write"] + "/linked.sock"
    os.link(TARGETS["write"] + "/docker.sock", link)
    return unix(link)


def socket_by_proc():
    return unix("/proc/self/root" + TARGETS["read"] + "/docker.sock")


def socket_by_descriptor():
    directory = os.open(TARGETS["read"], os.O_RDONLY)
    return unix(f"/proc/self/fd/{directory}/docker.sock")


def datagram_socket():
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"log", TARGETS["read"] + "/log.sock")
    return True


def datagram_pair():
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(b"log", TARGETS["read"] + "/log.sock")
    return True


def datagram_pair_message():
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendmsg([b"log"], [], 0, TARGETS["read"] + "/log.sock")
    return True


def pipe_in_read():
    pipe = os.open(TARGETS["read"] + "/pipe", os.O_WRONLY | os.O_NONBLOCK)
    os.write(pipe, b"x")
    return True


def racing_address():
    return ask_by_program(
        [TARGETS["binary"], "race_address", TARGETS["read"] + "/docker.sock", tempfile.mktemp()]
    )


def racing_descriptor():
    return ask_by_program(
        [TARGETS["binary"], "race_descriptor", TARGETS["read"] + "/docker.sock", tempfile.mktemp()]
    )
