"""The one channel of this process.

Made at its first use and not before: a snapshot that is taken with this package loaded must not
have spoken to a host.
"""

from .channel import Channel, FdTransport, Transport

_channel: Channel | None = None


def channel() -> Channel:
    """The channel to the host."""
    global _channel
    if _channel is None:
        _channel = Channel(FdTransport())
    return _channel


def use_transport(transport: Transport | None) -> None:
    """Speaks over `transport` from now on; `None` goes back to the host's descriptor."""
    global _channel
    _channel = None if transport is None else Channel(transport)
