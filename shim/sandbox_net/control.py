"""The control channel of this process.

It is made at its first use: a snapshot that contains this package must not have talked to a host.
"""

from .channel import Channel, FdTransport, Transport

_channel: Channel | None = None


def channel() -> Channel:
    """Returns the channel to the host."""
    global _channel
    if _channel is None:
        _channel = Channel(FdTransport())
    return _channel


def use_transport(transport: Transport | None) -> None:
    """Uses `transport` from now on; `None` means the host's descriptor again."""
    global _channel
    _channel = None if transport is None else Channel(transport)
