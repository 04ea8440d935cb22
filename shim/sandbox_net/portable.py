"""Installs what needs no host: threads in line, functions of one process, and refusals.

Every interpreter gets it, with a network and without.
"""

import sys

from . import (
    anyio_threads,
    digests,
    exits,
    file_locks,
    os_functions,
    pipes,
    pools,
    processes,
    session,
    signals,
    snapshots,
    streams,
    thread_waits,
    threads,
    turns,
    users,
)
from .finder import StandIns

_MODULES = {"fcntl": file_locks.build, "grp": users.build_grp, "pwd": users.build_pwd}

_installed = False


def install(has_sockets: bool) -> None:
    """Installs it. Doing it again changes nothing."""
    global _installed
    if _installed:
        return
    _installed = True
    exits.adapt()
    session.adapt()
    streams.adapt()
    snapshots.adapt()
    if threads.can_start():
        return
    builders = dict(_MODULES)
    if not has_sockets:
        from . import ssl_module

        # Modules import it whether or not they connect.
        builders["_ssl"] = ssl_module.build
    sys.meta_path.insert(0, StandIns(builders))
    os_functions.add()
    signals.add()
    digests.add()
    pipes.add()
    processes.add()
    threads.do_without()
    pools.do_without()
    turns.do_without()
    thread_waits.register()
    if not has_sockets:
        turns.without_self_pipes()
    anyio_threads.adapt_when_imported()
