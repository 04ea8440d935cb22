"""Looks into the user's package indexes, with the user's pip.

It is run by the Python whose module pip is, so that pip's own code reads its configuration, finds
the files, and makes each connection. A request is one line of JSON on stdin, its answer one line on
stdout; answers come in any order. What pip logs about the files that it leaves out is passed on as
it is. Nothing of a package is run, built or unpacked.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TextIO

import pip
from pip._internal.cli.cmdoptions import make_target_python
from pip._internal.commands import create_command
from pip._internal.configuration import get_configuration_files

# Connections at a time.
WORKERS = 8
# No metadata file comes near this size.
METADATA_LIMIT = 8 << 20
# A larger wheel is not read for its metadata alone.
WHEEL_LIMIT = 512 << 20
# As pip asks for files: otherwise some servers compress what is compressed.
HEADERS = {"Accept-Encoding": "identity"}
# How an index says that it has no such project.
ABSENT = (" 403 ", " 404 ", " 410 ")
# How pip begins the lines about files that it leaves out.
SKIPPED = ("Skipping link: ", "Link requires ")


class Thread(threading.local):
    """What each thread has of its own: pip's objects are not made to be shared."""

    def __init__(self) -> None:
        self.finder: Any = None
        self.session: Any = None
        self.lines: list[str] = []


class Log(logging.Handler):
    """Keeps what pip logs in the thread that looks for it."""

    def __init__(self, thread: Thread) -> None:
        super().__init__(logging.DEBUG)
        self.thread = thread

    def emit(self, record: logging.LogRecord) -> None:
        self.thread.lines.append(record.getMessage())


class Incomplete(Exception):
    """A response ended before its declared end."""


class Index:
    """The user's indexes, as `pip download` sees them with the given options."""

    def __init__(self, options: list[str]) -> None:
        self.command = create_command("download")
        self.options, _ = self.command.parse_args(options)
        self.thread = Thread()
        self.links: dict[str, Any] = {}
        handler = Log(self.thread)
        for name in ("package_finder", "collector"):
            logger = logging.getLogger("pip._internal.index." + name)
            logger.setLevel(logging.DEBUG)
            logger.addHandler(handler)
            logger.propagate = False

    def enter(self) -> None:
        """Gives this thread a session and a finder."""
        if self.thread.finder is not None:
            return
        session = self.command._build_session(self.options)
        session.auth.prompting = False
        session.hooks["response"].append(whole)
        self.thread.session = session
        self.thread.finder = self.command._build_package_finder(
            options=self.options,
            session=session,
            target_python=make_target_python(self.options),
        )

    def files(self, project: str) -> dict[str, Any]:
        """The wheels of a project that can be used, and pip's words about the others."""
        self.enter()
        self.thread.lines = []
        finder = self.thread.finder
        found = finder.find_all_candidates(project)
        # Of two wheels of one version, pip prefers the later one.
        found = sorted(found, key=finder.make_candidate_evaluator(project)._sort_key)
        lines = self.thread.lines
        self.links.update((candidate.link.url, candidate.link) for candidate in found)
        faults = [line for line in lines if line.startswith("Could not fetch URL")]
        return {
            "files": [describe(candidate.link) for candidate in found],
            "skipped": [line for line in lines if line.startswith(SKIPPED)],
            "faults": [line for line in faults if not any(it in line for it in ABSENT)],
        }

    def metadata(self, url: str) -> dict[str, Any]:
        """What a wheel says about itself: from the file beside it, or else from within it."""
        self.enter()
        link = self.links[url]
        served = getattr(link, "metadata_file_data", None)
        if served is not None:
            content = self.download(link.url_without_fragment + ".metadata", METADATA_LIMIT)
            check(content, served.hashes or {}, "metadata")
            return {"text": content.decode("utf-8", "replace")}
        try:
            from pip._internal.network.lazy_wheel import LazyZipOverHTTP

            # Only the parts of the wheel that are read are fetched.
            with LazyZipOverHTTP(link.url_without_fragment, self.thread.session) as file:
                return {"text": within(file)}
        except Exception:
            # The index gives no parts of files, or pip has no such function.
            content = self.download(link.url_without_fragment, WHEEL_LIMIT)
            check(content, {link.hash_name: link.hash} if link.hash else {}, link.filename)
            return {"text": within(io.BytesIO(content))}

    def download(self, url: str, limit: int) -> bytes:
        """The whole of a file of an index."""
        response = self.thread.session.get(url, headers=HEADERS, stream=True)
        response.raise_for_status()
        content = bytearray()
        for piece in response.iter_content(1 << 16):
            content += piece
            if len(content) > limit:
                raise ValueError(f"{url} is larger than {limit} bytes")
        expected = str(response.headers.get("Content-Length", ""))
        if expected.isdigit() and len(content) < int(expected):
            raise Incomplete(f"{url} ended before its declared end")
        return bytes(content)


def check(content: bytes, hashes: dict[str, str], what: str) -> None:
    """Compares a file with the hashes that the index gives for it."""
    for name, expected in hashes.items():
        if name in hashlib.algorithms_guaranteed:
            actual = hashlib.new(name, content).hexdigest()
            if actual != expected.lower():
                raise ValueError(f"{what} has the {name} {actual}, expected {expected}")


def within(file: Any) -> str:
    """The metadata in a wheel."""
    with zipfile.ZipFile(file) as archive:
        ending = ".dist-info/METADATA"
        names = [it for it in archive.namelist() if it.endswith(ending) and it.count("/") == 1]
        if not names:
            raise ValueError("the wheel has no .dist-info/METADATA")
        with archive.open(names[0]) as member:
            content = member.read(METADATA_LIMIT + 1)
    if len(content) > METADATA_LIMIT:
        raise ValueError("the metadata is too large")
    return content.decode("utf-8", "replace")


def whole(response: Any, *_args: Any, **_options: Any) -> None:
    """Refuses a page that was cut: read as a page, it is one with fewer files."""
    kind = response.headers.get("Content-Type", "")
    is_page = kind.startswith(("text/html", "application/vnd.pypi"))
    if not is_page or getattr(response, "from_cache", False):
        return
    _ = response.content
    if getattr(response.raw, "length_remaining", None):
        raise Incomplete(f"{response.url} ended before its declared end")


def describe(link: Any) -> dict[str, Any]:
    """A wheel, as the resolver wants to know it."""
    return {
        "file": link.filename,
        "url": link.url,
        "yanked": link.is_yanked,
    }


def answer(index: Index, request: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request; a fault is an answer, too."""
    try:
        if "project" in request:
            result = index.files(request["project"])
        else:
            result = index.metadata(request["metadata"])
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}"}
    result["id"] = request["id"]
    return result


def serve(index: Index, requests: TextIO, answers: TextIO) -> None:
    """Answers until the requests end."""
    turn = threading.Lock()

    def reply(value: dict[str, Any]) -> None:
        with turn:
            answers.write(json.dumps(value) + "\n")
            answers.flush()

    files = sorted({file for group in get_configuration_files().values() for file in group})
    # What lies in a directory changes without a word.
    files += [os.path.abspath(it) for it in index.options.find_links if os.path.isdir(it)]
    pre = bool(getattr(index.options, "pre", False))
    reply({"pip": pip.__version__, "configuration": files, "pre": pre})
    with ThreadPoolExecutor(WORKERS) as pool:
        for line in requests:
            pool.submit(lambda request: reply(answer(index, request)), json.loads(line))


def main() -> None:
    # What pip prints must not get between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    index = Index(sys.argv[1:])
    with index.command.main_context():
        serve(index, sys.stdin, answers)


if __name__ == "__main__":
    main()
