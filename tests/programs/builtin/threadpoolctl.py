"""Asks for the thread pools of libraries; there are none."""

import numpy  # noqa: F401
from threadpoolctl import threadpool_info, threadpool_limits

with threadpool_limits(1):
    print(threadpool_info())
