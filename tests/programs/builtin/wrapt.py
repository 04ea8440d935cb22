"""A decorator that keeps what it wraps, and a proxy."""

import wrapt


@wrapt.decorator
def twice(wrapped, instance, args, kwargs):
    return 2 * wrapped(*args, **kwargs)


@twice
def five(n: int) -> int:
    """Says five."""
    return n


print(five(5), five.__doc__, wrapt.ObjectProxy([1]) == [1])
