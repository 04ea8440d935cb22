"""What needs no host: threads in line, functions that one process can have, and refusals.

It goes into every interpreter, with a network and without.
"""

from . import anyio_threads, exits, pools, threads, turns

_installed = False


def install(has_sockets: bool) -> None:
    """Installs it. Doing it again changes nothing."""
    global _installed
    if _installed:
        return
    _installed = True
    exits.adapt()
    if threads.can_start():
        return
    threads.do_without()
    pools.do_without()
    turns.do_without()
    if not has_sockets:
        turns.without_self_pipes()
    anyio_threads.adapt_when_imported()
