"""`sys.excepthook` reports."""

import sys


def hook(kind, error, trace):
    print("hook", kind.__name__, error, trace.tb_frame.f_code.co_name, trace.tb_next)


sys.excepthook = hook
raise ValueError("x")
