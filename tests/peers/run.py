"""Runs `probe.py` without confinement and in each peer, and prints what got through.

    unshare --net --mount --propagation private python3 run.py [PEER…]

needs root for the lab; the peers run as nobody. The Python has the wheels sandlock and nono-py.
SRT names the directory of the npm package @anthropic-ai/sandbox-runtime, CODEX the program `codex`,
LAB_DIR a directory outside /tmp (Codex refuses to work in /tmp), SANDBOX_NET our own program, which
runs only if it is named (`sandbox_net`). docs/native-peers.md has the rest.
"""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from lab import ALLOWED, DENIED, Lab

PROBE = Path(__file__).with_name("probe.py")
SYSTEM = ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/dev", "/proc"]
SECRET = "lab-secret-value"
COMMAND = [sys.executable, str(PROBE)]


class Peers:
    """One method a peer; each returns the probe's output."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.descriptor = json.loads(os.environ["LAB"])["descriptor"]
        self.readable = [
            path for path in [*SYSTEM, str(folder), str(PROBE.parent)] if Path(path).exists()
        ]

    def spawn(self, command: list[str], **more: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=180,
                              env={**os.environ, **more}, pass_fds=(self.descriptor,))  # fmt: skip
        return done.stdout or done.stderr

    def none(self) -> str:
        return self.spawn(COMMAND)

    def sandlock(self) -> str:
        from sandlock import Sandbox

        box = Sandbox(
            fs_readable=self.readable,
            http_allow=["GET allowed.test/public/*", "GET rebind.test/*", "GET self.test/*"],
            http_ports=[443, 8088],
            http_inject_ca=[str(self.folder / "ca.pem")],
        )
        result = box.run(COMMAND, timeout=180)
        return (result.stdout or result.stderr).decode()

    def nono(self, mode: str = "auto") -> str:
        import nono_py

        folder = Path(tempfile.mkdtemp(dir=self.folder))
        route = nono_py.RouteConfig(
            prefix="/allowed",
            upstream="https://allowed.test",
            endpoint_rules=[("GET", "/public/**")],
        )
        proxy = nono_py.start_proxy(nono_py.ProxyConfig(
            allowed_hosts=["allowed.test", "rebind.test", "self.test"], routes=[route],
            intercept_ca_dir=str(folder),
            intercept_parent_ca_pems=(self.folder / "ca.pem").read_bytes()))  # fmt: skip
        caps = nono_py.CapabilitySet()
        for path in self.readable:
            caps.allow_path(path, nono_py.AccessMode.READ)
        caps.proxy_only(proxy)
        env = proxy.sandbox_env(
            extra_env=[("LAB", os.environ["LAB"]), ("PATH", os.environ["PATH"])]
        )
        result = nono_py.sandboxed_exec(
            caps, COMMAND, env=env, enforcement_mode=mode, timeout_secs=180
        )
        proxy.shutdown()
        return (result.stdout or result.stderr).decode()

    def nono_seccomp(self) -> str:
        return self.nono("seccomp")

    def srt(self) -> str:
        script = Path(__file__).with_name("srt.mjs")
        return self.spawn(["node", str(script), " ".join(COMMAND)],
                          NODE_EXTRA_CA_CERTS=str(self.folder / "ca.pem"))  # fmt: skip

    def sandbox_net(self) -> str:
        allow = [
            "GET https://allowed.test/public/**",
            "GET http://rebind.test:8088",
            "GET http://self.test:8088",
        ]
        rules = [word for rule in allow for word in ("--allow", rule)]
        read = [word for path in (self.folder, PROBE.parent) for word in ("--read", str(path))]
        trust = ["--ca", str(self.folder / "ca.pem")]
        program = os.environ["SANDBOX_NET"]
        keep = ["--env", f"LAB={os.environ['LAB']}"]
        return self.spawn([program, "native", "run", *rules, *read, *trust, *keep, "--", *COMMAND])

    def codex(self) -> str:
        home = Path(tempfile.mkdtemp(dir=self.folder))
        (home / "config.toml").write_text(Path(__file__).with_name("codex.toml").read_text())
        return self.spawn([os.environ["CODEX"], "sandbox", "--", *COMMAND], CODEX_HOME=str(home))


def one_peer(name: str, folder: Path) -> None:
    """Runs one peer, beside a bystander of the same user whose memory the probe tries to open."""
    bystander = subprocess.Popen(["sleep", "300"])
    try:
        print(getattr(Peers(folder), name)())
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
    bystander.kill()


def every_peer(names: list[str]) -> None:
    """Makes the lab, runs each peer there without root's rights and prints what it met."""
    folder = Path(tempfile.mkdtemp(prefix="lab-", dir=os.environ.get("LAB_DIR")))
    folder.chmod(0o777)
    lab = Lab.make(folder)
    inherited = socket.create_connection((DENIED, 443))
    facts = {"allowed": ALLOWED, "denied": DENIED, "service": str(lab.service),
             "descriptor": inherited.fileno(), "secret": SECRET}  # fmt: skip
    own = {"LAB": json.dumps(facts), "LAB_SECRET": SECRET, "HOME": str(folder),
           "SSL_CERT_FILE": str(folder / "ca.pem")}  # fmt: skip
    for name in names:
        lab.hits()
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
             sys.executable, __file__, "--peer", name, str(folder)],
            stdout=subprocess.PIPE, text=True, env={**os.environ, **own},
            pass_fds=(inherited.fileno(),))  # fmt: skip
        print(f"== {name}")
        try:
            for attempt, outcome in json.loads(done.stdout).items():
                print(f"{attempt:14} {outcome}")
        except ValueError:
            print(done.stdout)
        for hit in lab.hits():
            print("   reached", *hit.values())


def main() -> None:
    match sys.argv[1:]:
        case ["--peer", name, folder]:
            one_peer(name, Path(folder))
        case ["--in-terminal", *names]:
            every_peer(names or ["none", "sandlock", "nono", "nono_seccomp", "srt", "codex"])
        case names:  # the peers get a terminal, so that typing into it can be tried
            command = [sys.executable, __file__, "--in-terminal", *names]
            sys.exit(os.waitstatus_to_exitcode(pty.spawn(command)))


if __name__ == "__main__":
    main()
