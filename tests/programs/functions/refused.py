"""Functions that one process cannot support."""

import concurrent.futures
import multiprocessing
import os
import shutil
import signal
import subprocess


def attempt(name, call):
    try:
        call()
    except OSError as error:
        print(f"{name}: {isinstance(error, NotImplementedError)} {error}")


attempt("os.fork", os.fork)
attempt("os.forkpty", os.forkpty)
attempt("os.system", lambda: os.system("ls"))
attempt("os.popen", lambda: os.popen("ls"))
attempt("os.execv", lambda: os.execv("/bin/ls", ["ls"]))
attempt("os.execvp", lambda: os.execvp("ls", ["ls"]))
attempt("os.execl", lambda: os.execl("/bin/ls", "ls"))
attempt("os.spawnv", lambda: os.spawnv(0, "/bin/ls", ["ls"]))
attempt("os.posix_spawn", lambda: os.posix_spawn("/bin/ls", ["ls"], {}))
attempt("subprocess.run", lambda: subprocess.run(["ls"]))
attempt("subprocess.run with a shell", lambda: subprocess.run("ls", shell=True))
attempt("pip by subprocess", lambda: subprocess.run(["python3", "-m", "pip", "install", "x"]))
attempt("pip by os.system", lambda: os.system("pip install x"))
attempt("subprocess.check_output", lambda: subprocess.check_output(["ls"]))
attempt("subprocess.Popen", lambda: subprocess.Popen(["ls"]))
attempt("multiprocessing.Process", lambda: multiprocessing.Process(target=print).start())
attempt("ProcessPoolExecutor", concurrent.futures.ProcessPoolExecutor)
attempt("multiprocessing.Pool", lambda: multiprocessing.Pool(2))
attempt("multiprocessing.Queue", multiprocessing.Queue)
attempt("multiprocessing.Manager", multiprocessing.Manager)
attempt("shutil.disk_usage", lambda: shutil.disk_usage("."))
attempt("os.statvfs", lambda: os.statvfs("."))
attempt("signal.alarm", lambda: signal.alarm(1))
attempt("signal.setitimer", lambda: signal.setitimer(signal.ITIMER_REAL, 1))
