"""The routing stays where programs load, copy or start things again, and a start stays quick."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from support import PATCH, environment, run
from test_routing import Case


class Staying(Case):
    """The routing stays where programs load, copy or start things again."""

    def test_a_reloaded_socket_module_is_routed(self):
        for module in ("socket", "ssl"):
            program = "import importlib, socket, ssl, urllib.request\nimportlib.reload({})"
            program = program.format(module)
            told = self.show(program, "socket.create_connection(('denied.test', 80))")
            self.assertEqual(told["kind"], "PermissionError", module)

    def test_a_module_that_was_loaded_before_is_routed(self):
        program = "import socket\n"
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        with open(os.path.join(folder, "sitecustomize.py"), "w") as file:
            file.write("import socket, ssl, urllib.request\n")
            file.write("import sandbox_net_native\nsandbox_net_native.activate()\n")
        path = os.pathsep.join([folder, PATCH])
        told = self.show(program, "socket.create_connection(('denied.test', 80))", PYTHONPATH=path)
        self.assertEqual(told["kind"], "PermissionError")

    def test_children_are_routed(self):
        for start in ("fork", "spawn"):
            folder = tempfile.mkdtemp()
            self.addCleanup(shutil.rmtree, folder)
            path = os.path.join(folder, "program.py")
            with open(path, "w") as file:
                file.write(
                    "import multiprocessing, socket\n"
                    "def child(queue):\n"
                    "    try:\n"
                    "        socket.create_connection(('denied.test', 80))\n"
                    "    except PermissionError as error:\n"
                    "        queue.put('denied')\n"
                    "if __name__ == '__main__':\n"
                    f"    context = multiprocessing.get_context('{start}')\n"
                    "    queue = context.Queue()\n"
                    "    context.Process(target=child, args=(queue,)).start()\n"
                    "    print(queue.get(timeout=30))\n"
                )
            program = "import subprocess, sys\ntold = subprocess.check_output([sys.executable, "
            program += f"{path!r}])"
            self.assertEqual(self.show(program, "told.decode()")["value"], "denied\n", start)

    def test_a_detached_and_a_duplicated_socket_know_their_peer(self):
        program = """
import socket
s = socket.create_connection(("good.test", 80))
def go():
    other = s.dup()
    third = socket.socket(s.family, s.type, s.proto, s.detach())
    return [other.getpeername()[0], third.getpeername()[0]]
"""
        self.assertEqual(self.show(program, "go()")["value"], ["203.0.113.7"] * 2)

    def test_threads_share_the_tables(self):
        program = """
import socket, threading
found = []
def work(number):
    for _ in range(5):
        s = socket.create_connection(("good.test", 80), 30)
        found.append(s.getpeername()[0])
        s.close()
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
"""
        told = self.show(program, "[len(found), sorted(set(found))]")
        self.assertEqual(told.get("value"), [40, ["203.0.113.7"]])

    def test_a_socket_of_ipv6_alone_is_routed(self):
        program = """
import socket
s = socket.socket(socket.AF_INET6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
def go():
    s.connect(("six.test", 80))
    return s.getpeername()
"""
        told = self.show(program, "go()")
        self.assertEqual(told.get("value"), ["2001:db8::7", 80, 0, 0], told)


class Starting(Case):
    """The interpreter's start."""

    def test_it_takes_less_than_ten_milliseconds(self):
        if sys.version_info < (3, 7):  # noqa: UP036
            self.skipTest("Python 3.6 does not time imports")
        shutil.copytree(PATCH, os.path.join(self.authority.directory, "patch"))
        best = 1e9
        for _ in range(5):
            env = environment(PYTHONPATH=os.path.join(self.authority.directory, "patch"))
            del env["PYTHONDONTWRITEBYTECODE"]
            command = [sys.executable, "-X", "importtime", "-c", "pass"]
            done = subprocess.run(command, env=env, stderr=subprocess.PIPE, timeout=60)
            lines = done.stderr.decode().splitlines()
            (mine,) = [line for line in lines if line.endswith(" sitecustomize")]
            best = min(best, int(mine.split("|")[1]))
        self.assertLess(best, 10000)

    def test_nothing_is_imported_that_the_program_does_not_import(self):
        program = "import sys; print(*sys.modules)"
        patched = set(run(program, self.broker).split())
        native = set(run(program, self.broker, PYTHONPATH="").split())
        mine = {"sitecustomize", "sandbox_net_native"}
        mine |= {"sandbox_net_native." + name for name in ("after_import", "settings")}
        self.assertEqual(patched - native, mine)

    def test_a_broken_setting_is_one_line_and_the_program_runs(self):
        told = self.show("import socket", "1 + 1", SANDBOX_NET_BROKER_PORT="seven")
        self.assertEqual(told["value"], 2)


del Case

if __name__ == "__main__":
    unittest.main()
