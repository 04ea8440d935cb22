"""The servers of httpcore's tests."""

from httpbin_servers import start_httpbin

__all__ = ["start_httpbin"]
