"""Attacks over the network."""

import importlib
import multiprocessing
import os
import socket
import struct
import sys

from attacks.common import (
    HOST,
    LIBC,
    SECRET,
    TARGETS,
    address_of,
    ask_by_program,
    ask_in_child,
    checked,
    stream,
    syscall,
    told,
)

SAVED_CONNECT = socket.socket.connect


def connect():
    connection = stream()
    connection.connect((HOST, TARGETS["tcp"]))
    return told(connection)


def connect_ex():
    connection = stream()
    error = connection.connect_ex((HOST, TARGETS["tcp"]))
    if error:
        raise OSError(error, os.strerror(error))
    return told(connection)


def c_module():
    import _socket

    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    connection.connect((HOST, TARGETS["tcp"]))
    return SECRET in connection.recv(64)


def saved_original():
    connection = stream()
    SAVED_CONNECT(connection, (HOST, TARGETS["tcp"]))
    return told(connection)


def reload():
    fresh = importlib.reload(socket)
    return told(fresh.create_connection((HOST, TARGETS["tcp"]), 5))


def udp():
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.settimeout(5)
    sender.sendto(b"question", (HOST, TARGETS["udp"]))
    return SECRET in sender.recv(64)


def fast_open():
    connection = stream()
    connection.sendto(b"x", 0x20000000, (HOST, TARGETS["tcp"]))
    return told(connection)


def fast_open_option():
    connection = stream()
    connection.setsockopt(socket.IPPROTO_TCP, 30, 1)
    connection.connect((HOST, TARGETS["tcp"]))
    connection.send(b"x")
    return told(connection)


def libc_connect():
    connection = stream()
    checked(LIBC.connect(connection.fileno(), address_of(TARGETS["tcp"]), 16))
    return told(connection)


def raw_syscall():
    connection = stream()
    number = {"x86_64": 42, "aarch64": 203}[os.uname().machine]
    syscall(number, connection.fileno(), address_of(TARGETS["tcp"]), 16)
    return told(connection)


def without_site():
    return ask_in_child([sys.executable, "-S"])


def isolated():
    return ask_in_child([sys.executable, "-I"])


def without_environment():
    return ask_in_child([sys.executable, "-E"])


def emptied_environment():
    return ask_in_child([sys.executable], env={})


def changed_environment():
    changed = dict(
        os.environ, SANDBOX_NET_ENABLED="0", SANDBOX_NET_BROKER_PORT="1", NO_PROXY="*", no_proxy="*"
    )
    return ask_in_child([sys.executable], env=changed)


def another_python():
    return ask_in_child([TARGETS["another_python"]])


def curl():
    return ask_by_program(
        [
            "curl",
            "-sS",
            "--noproxy",
            "*",
            "--max-time",
            "10",
            f"telnet://{HOST}:{TARGETS['tcp']}",
        ]
    )


def static_binary():
    return ask_by_program([TARGETS["binary"], "connect", str(TARGETS["tcp"])])


def io_uring():
    return ask_by_program([TARGETS["binary"], "io_uring", str(TARGETS["tcp"])])


def other_architecture():
    return ask_by_program([TARGETS["binary"], "i386", str(TARGETS["tcp"])])


def bash():
    return ask_by_program(
        ["bash", "-c", f"exec 3<>/dev/tcp/{HOST}/{TARGETS['tcp']} && head -c 9 <&3"]
    )


def in_worker(results):
    try:
        results.put(connect())
    except OSError as error:
        results.put(str(error))


def by_multiprocessing(method):
    context = multiprocessing.get_context(method)
    results = context.Queue()
    worker = context.Process(target=in_worker, args=(results,))
    worker.start()
    result = results.get(timeout=60)
    worker.join()
    print(result)
    return result is True


def spawned_worker():
    return by_multiprocessing("spawn")


def forked_worker():
    return by_multiprocessing("fork")


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def datagram():
    return struct.pack("!HHHH", 4444, TARGETS["udp"], 8 + 8, 0) + b"question"


def raw_socket():
    sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    sender.sendto(datagram(), (HOST, 0))
    return True


def packet_socket():
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("lo", 0))
    local = socket.inet_aton(HOST)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + 16, 1, 0, 64, 17, 0, local, local)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    sender.send(bytes(12) + b"\x08\x00" + head + datagram())
    return True


def ipv6():
    connection = stream(socket.AF_INET6)
    connection.connect(("::1", TARGETS["tcp6"]))
    return told(connection)


def dns_udp():
    query = (
        struct.pack("!6H", 1, 0x100, 1, 0, 0, 0)
        + b"\x06secret\x07example\x00"
        + struct.pack("!2H", 1, 1)
    )
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.settimeout(5)
    sender.sendto(query, (HOST, TARGETS["udp"]))
    return SECRET in sender.recv(512)


def dns_tcp():
    connection = socket.create_connection((HOST, TARGETS["tcp"]), 5)
    connection.sendall(b"\x00\x10" + bytes(16))
    return told(connection)


def netlink():
    # NETLINK_SOCK_DIAG lists every socket of the machine.
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)
    return True


def vsock():
    socket.socket(40, socket.SOCK_STREAM)
    return True
