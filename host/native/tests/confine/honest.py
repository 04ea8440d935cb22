"""What honest programs do. Prints the same confined and not."""

import asyncio
import concurrent.futures
import functools
import multiprocessing
import os
import pty
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time


def show(name, work):
    try:
        print(name, work(), flush=True)
    except BaseException as error:
        print(name, "failed:", type(error).__name__, error, flush=True)


def workers(method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        return pool.map(abs, [-1, -2, -3])


def shared_list():
    with multiprocessing.Manager() as manager:
        return list(manager.list([1, 2]))


def thread_pool():
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return sum(pool.map(abs, range(-100, 0)))


def shared_memory():
    from multiprocessing import shared_memory as module

    memory = module.SharedMemory(create=True, size=16)
    memory.buf[0] = 7
    value = memory.buf[0]
    memory.close()
    memory.unlink()
    return value


def server(family, address):
    listener = socket.socket(family)
    listener.bind(address)
    listener.listen()

    def answer():
        connection, _ = listener.accept()
        connection.sendall(connection.recv(99))
        connection.close()

    threading.Thread(target=answer).start()
    client = socket.socket(family)
    client.connect(listener.getsockname())
    client.sendall(b"hello")
    return client.recv(99)


def unix_by_relative_path():
    here = os.getcwd()
    os.chdir(tempfile.mkdtemp())
    try:
        return server(socket.AF_UNIX, "s")
    finally:
        os.chdir(here)


def refused():
    errors = []
    for address in [("127.0.0.1", 1), tempfile.mktemp()]:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        errors.append(socket.socket(family).connect_ex(address))
    return errors


def bad_calls():
    """The errors of connect for what is no socket, no descriptor, no address."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    inet = socket.socket()
    file = os.open("/dev/null", os.O_RDONLY)
    errors = []
    address = bytes([2, 0, 0, 1, 127, 0, 0, 1]) + bytes(8)
    for arguments in [
        (999, address, 16),
        (file, address, 16),
        (inet.fileno(), None, 16),
        (inet.fileno(), address, 4),
        (inet.fileno(), address, 999),
        (-1, address, 16),
    ]:
        ctypes.set_errno(0)
        errors.append((libc.connect(*arguments), ctypes.get_errno()))
    return errors


def non_blocking():
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.socket()
    client.setblocking(False)
    first = client.connect_ex(listener.getsockname())
    time.sleep(0.05)
    return (
        first,
        client.connect_ex(listener.getsockname()),
        client.connect_ex(listener.getsockname()),
    )


def waiting_connect():
    """One waits, is interrupted by a signal, and others connect meanwhile."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(tempfile.mktemp())
    listener.listen(0)
    first = socket.socket(socket.AF_UNIX)
    first.connect(listener.getsockname())
    second = socket.socket(socket.AF_UNIX)

    class Interrupted(Exception):
        pass

    def interrupt(*_):
        raise Interrupted

    signal.signal(signal.SIGALRM, interrupt)
    others = threading.Thread(target=lambda: server(socket.AF_INET, ("127.0.0.1", 0)))
    others.start()
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        second.connect(listener.getsockname())
        return "connected"
    except Interrupted:
        others.join()
        return "interrupted"


def many_connects():
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    accepted = []
    threading.Thread(target=lambda: [accepted.append(listener.accept()) for _ in range(64)]).start()
    clients = [socket.socket() for _ in range(64)]
    threads = [
        threading.Thread(target=client.connect, args=(listener.getsockname(),))
        for client in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(clients)


def interrupted_connects():
    """Signals all the time, as some runtimes have them: each connect still ends as it should."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, False)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    try:
        for _ in range(200):
            with socket.create_connection(listener.getsockname()) as client:
                client.getpeername()
            listener.accept()[0].close()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "all"


async def echo():
    async def answer(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
    writer.write(b"line\n")
    return await reader.read()


async def child():
    process = await asyncio.create_subprocess_exec(
        "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    return (await process.communicate(b"through"))[0]


def terminal():
    child, main = pty.fork()
    if child == 0:
        os.execvp("sh", ["sh", "-c", "test -t 0 && echo terminal"])
    text = os.read(main, 99)
    os.waitpid(child, 0)
    return text


def database():
    base = sqlite3.connect(os.path.join(tempfile.mkdtemp(), "x.db"))
    base.execute("pragma journal_mode=wal")
    base.execute("create table a (b)")
    base.executemany("insert into a values (?)", [(n,) for n in range(10)])
    base.commit()
    return base.execute("select sum(b) from a").fetchall()


def arrays():
    try:
        import numpy
    except ImportError:
        return "none"
    return float(numpy.ones((500, 500)).dot(numpy.ones((500, 500))).sum())


def kill_child():
    process = subprocess.Popen(["sleep", "60"])
    process.terminate()
    return process.wait()


def main():
    for method in ["fork", "spawn", "forkserver"]:
        show(method, functools.partial(workers, method))
    show("manager", shared_list)
    show("threads", thread_pool)
    show("shared memory", shared_memory)
    show("ipv4", lambda: server(socket.AF_INET, ("127.0.0.1", 0)))
    show("ipv6", lambda: server(socket.AF_INET6, ("::1", 0)))
    show("unix", lambda: server(socket.AF_UNIX, tempfile.mktemp()))
    show("relative", unix_by_relative_path)
    show("abstract", lambda: server(socket.AF_UNIX, f"\0honest-{time.time_ns()}"))
    show("pair", lambda: [s.close() for s in socket.socketpair()])
    show("refused", refused)
    show("bad calls", bad_calls)
    show("non-blocking", non_blocking)
    show("waiting", waiting_connect)
    show("many", many_connects)
    show("interrupted", interrupted_connects)
    show(
        "localhost",
        lambda: socket.getaddrinfo("localhost", 80, socket.AF_INET, socket.SOCK_STREAM)[0][4],
    )
    show("asyncio", lambda: asyncio.run(echo()))
    show("child", lambda: asyncio.run(child()))
    show(
        "subprocess",
        lambda: subprocess.run(["sh", "-c", "echo $((6*7)); exit 3"], stdout=subprocess.PIPE),
    )
    show("terminal", terminal)
    show("sqlite", database)
    show("numpy", arrays)
    show("kill", kill_child)
    show("cpus", os.cpu_count)
    show("flags", lambda: sys.flags.isolated)
    print("end")


if __name__ == "__main__":
    main()
