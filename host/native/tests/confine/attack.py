"""One attack by its name. Prints `reached` if it got what it wanted, or why not; `end` shows that it ran to its end."""

import ctypes
import importlib
import json
import multiprocessing
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time

TARGETS = json.loads(os.environ["TARGETS"])
SECRET = b"forbidden"
HOST = "127.0.0.1"
SAVED_CONNECT = socket.socket.connect
LIBC = ctypes.CDLL(None, use_errno=True)


def told(connection):
    """Whether the forbidden server answered."""
    connection.settimeout(5)
    return SECRET in connection.recv(64)


def stream(kind=socket.AF_INET):
    return socket.socket(kind, socket.SOCK_STREAM)


def ask_in_child(arguments, **options):
    code = "import socket; print(socket.create_connection((%r, %d), 5).recv(64))" % (HOST, TARGETS["tcp"])
    done = subprocess.run(arguments + ["-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, **options)
    print(done.stderr.decode()[-300:].strip())
    return SECRET in done.stdout


def ask_by_program(arguments):
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    print(done.returncode, done.stdout[-200:], done.stderr[-200:])
    return SECRET in done.stdout


def address_of(port):
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(HOST) + bytes(8)


def checked(result):
    """The result of a system call, or its error."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def syscall(number, *arguments):
    return checked(LIBC.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]))


# --- the internet ---------------------------------------------------------------------------------------------


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
    changed = dict(os.environ, SANDBOX_NET_ENABLED="0", SANDBOX_NET_BROKER_PORT="1", NO_PROXY="*", no_proxy="*")
    return ask_in_child([sys.executable], env=changed)


def another_python():
    return ask_in_child([TARGETS["another_python"]])


def curl():
    return ask_by_program(["curl", "-sS", "--noproxy", "*", "--max-time", "10", "telnet://%s:%d" % (HOST, TARGETS["tcp"])])


def static_binary():
    return ask_by_program([TARGETS["binary"], "connect", str(TARGETS["tcp"])])


def io_uring():
    return ask_by_program([TARGETS["binary"], "io_uring", str(TARGETS["tcp"])])


def other_architecture():
    return ask_by_program([TARGETS["binary"], "i386", str(TARGETS["tcp"])])


def bash():
    return ask_by_program(["bash", "-c", "exec 3<>/dev/tcp/%s/%d && head -c 9 <&3" % (HOST, TARGETS["tcp"])])


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
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
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
    query = struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + b"\x06secret\x07example\x00" + struct.pack("!2H", 1, 1)
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


# --- what others left open, and their sockets -------------------------------------------------------------------


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
    return unix("/proc/self/fd/%d/docker.sock" % directory)


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
    return ask_by_program([TARGETS["binary"], "race_address", TARGETS["read"] + "/docker.sock", tempfile.mktemp()])


def racing_descriptor():
    return ask_by_program([TARGETS["binary"], "race_descriptor", TARGETS["read"] + "/docker.sock", tempfile.mktemp()])


# --- other processes --------------------------------------------------------------------------------------------


def trace():
    checked(LIBC.ptrace(16, TARGETS["victim"], None, None))
    os.waitpid(TARGETS["victim"], 0x40000000)
    checked(LIBC.ptrace(17, TARGETS["victim"], None, None))
    return True


def memory(victim):
    with open("/proc/%d/maps" % victim) as maps:
        start = int(next(line for line in maps if "r-" in line).split("-")[0], 16)
    with open("/proc/%d/mem" % victim, "rb") as file:
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
    os.kill(int(os.environ.get("INIT", TARGETS["victim"])), 0 if "INIT" in os.environ else signal.SIGUSR1)
    return True


def kill_all():
    os.kill(TARGETS["victim"], signal.SIGUSR1)
    return True


# --- namespaces and the system ----------------------------------------------------------------------------------


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
    os.open("/proc/%d/ns/net" % TARGETS["victim"], os.O_RDONLY)
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


# --- files ------------------------------------------------------------------------------------------------------


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


# --- bombs ------------------------------------------------------------------------------------------------------


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


def threads():
    """No attack: connects from many threads at once go on while one waits."""
    server = stream()
    server.bind((HOST, 0))
    server.listen(64)
    workers = [threading.Thread(target=lambda: stream().connect(server.getsockname())) for _ in range(32)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return True


def main():
    name = sys.argv[1]
    try:
        print("reached" if globals()[name]() else "stopped", flush=True)
    except BaseException as error:
        print("stopped:", type(error).__name__, error, flush=True)
    print("end", flush=True)


if __name__ == "__main__":
    main()
