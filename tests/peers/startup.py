"""Times `python3 -c pass` bare and in each peer, in turn, and prints the medians.

sandlock and nono run from a process that has loaded them; srt and codex are their command lines.
Needs the variables of `run.py`, and CODEX_HOME with `codex.toml` as its `config.toml`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import nono_py
from sandlock import Sandbox

SYSTEM = [
    path
    for path in ("/usr", "/lib", "/lib64", "/bin", "/etc", "/dev", "/proc")
    if os.path.exists(path)
]
PASS = ["/usr/bin/python3", "-c", "pass"]
SETTINGS = {
    "network": {"allowedDomains": ["localhost"], "deniedDomains": [], "tlsTerminate": {}},
    "filesystem": {"denyRead": [], "allowWrite": [], "denyWrite": []},
}


def bare() -> None:
    subprocess.run(PASS, check=True, capture_output=True)


def sandlock(**rules: list[str]) -> None:
    result = Sandbox(fs_readable=SYSTEM, **rules).run(PASS)
    assert result.success, result


def sandlock_http() -> None:
    sandlock(http_allow=["GET localhost/*"], http_ports=[443])


def nono(proxy: nono_py.ProxyHandle | None = None) -> None:
    caps = nono_py.CapabilitySet()
    for path in SYSTEM:
        caps.allow_path(path, nono_py.AccessMode.READ)
    caps.block_network() if proxy is None else caps.proxy_only(proxy)
    result = nono_py.sandboxed_exec(caps, PASS, enforcement_mode="seccomp")
    assert result.exit_code == 0, result


def nono_proxy() -> None:
    proxy = nono_py.start_proxy(nono_py.ProxyConfig(allowed_hosts=["localhost"]))
    nono(proxy)
    proxy.shutdown()


def srt() -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as settings:
        json.dump(SETTINGS, settings)
        settings.flush()
        program = f"{os.environ['SRT']}/dist/cli.js"
        command = ["node", program, "--settings", settings.name, "-c", " ".join(PASS)]
        subprocess.run(command, check=True, capture_output=True)


def codex() -> None:
    subprocess.run([os.environ["CODEX"], "sandbox", "--", *PASS], check=True, capture_output=True)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    ways: list[Callable[[], None]] = [bare, sandlock, sandlock_http, nono, nono_proxy, srt, codex]
    times: dict[str, list[float]] = {way.__name__: [] for way in ways}
    for turn in range(runs + 2):  # the first two warm the caches
        for way in ways:
            started = time.perf_counter()
            way()
            if turn >= 2:
                times[way.__name__].append(1000 * (time.perf_counter() - started))
    for name, measured in times.items():
        print(f"{name:14} {statistics.median(measured):7.1f} ms, at least {min(measured):.1f}")


if __name__ == "__main__":
    main()
