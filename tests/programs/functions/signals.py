"""Signals that the program sends itself."""

import os
import signal

print({signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= signal.valid_signals())
seen = []
before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
print(before == signal.SIG_DFL, callable(signal.getsignal(signal.SIGTERM)))
signal.raise_signal(signal.SIGTERM)
os.kill(os.getpid(), signal.SIGTERM)
print(seen)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.kill(os.getpid(), signal.SIGTERM)
# The shell that runs this may ignore the signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
print(signal.alarm(0), signal.getitimer(signal.ITIMER_REAL))
print(signal.setitimer(signal.ITIMER_REAL, 0), signal.strsignal(signal.SIGINT))
signal.raise_signal(signal.SIGCHLD)
print("ignored", flush=True)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGTERM)
print("never")
