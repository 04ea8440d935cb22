"""Handlers of signals hold no program at its end."""

import signal


class A:
    def __del__(self):
        print("del", signal.getsignal(signal.SIGTERM) in (None, signal.SIG_DFL))

    def handle(self, number, frame):
        print("handled", number == signal.SIGTERM)


a = A()
signal.signal(signal.SIGTERM, a.handle)
signal.raise_signal(signal.SIGTERM)
print("end")
