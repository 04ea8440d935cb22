"""Handlers are flushed and closed at the end."""

import logging
import logging.handlers
import sys


class Stream:
    def write(self, text):
        sys.stdout.write(f"stream {text}")

    def flush(self):
        sys.stdout.write("stream flushed\n")


logging.basicConfig(stream=Stream(), level=logging.INFO, format="%(message)s")
target = logging.StreamHandler(sys.stdout)
memory = logging.handlers.MemoryHandler(100, target=target)
logger = logging.getLogger("memory")
logger.propagate = False
logger.addHandler(memory)
logging.info("to the stream")
logger.warning("to memory")
print("end")
