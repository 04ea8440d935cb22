"""Checks that everything that the documentation names exists: links, headings, files in backticks.

A name is looked up from the root, from the page's own folder, and from the folders that the same
paragraph named before.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Pages in which a bare file name means a file of this tree; elsewhere it needs a folder.
MAPS = {"ARCHITECTURE.md", "CONTRIBUTING.md"}
# Pages that name the files of other projects.
OTHERS = {"native-peers.md"}
# Names that stand for files of a reader, or for any file.
EXAMPLES = re.compile(
    r"[*{}<>~ ]|[A-Z]{3,}[./]|_NAME|^\.?/|^agent|^corpus/|^artifacts/|^target/|^/"
)
FILE = re.compile(r"[\w./*{}-]+\.(?:rs|py|wit|md|toml|json|sh|dict|txt|wasm|lock|yml)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# A paragraph, a list's item or a table's row.
PART = re.compile(r"\n(?=\s*\n|\s*[-*|] |\s*\d+\. )")


def pages() -> list[Path]:
    """The pages of this tree, whether or not they are committed."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    out = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in sorted(set(out.stdout.split())) if (ROOT / name).is_file()]


def anchors(text: str) -> set[str]:
    """Returns the anchors of this page: its headings, and those with an id of their own."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    named = re.findall(r'<a id="([^"]+)">', text)
    return {heading.strip().replace(" ", "-") for heading in plain} | set(named)


def broken_links(page: Path, text: str) -> Iterator[str]:
    """Yields links to missing files."""
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = page.parent / name if name else page
        if not found.exists():
            yield f"the link to {target} leads nowhere"
        elif anchor and anchor not in anchors(found.read_text("utf-8")):
            yield f"the link to {target} names no heading"


def missing_files(page: Path, text: str) -> Iterator[str]:
    """Yields files in backticks that are missing."""
    if page.name in OTHERS:
        return
    for part in PART.split(FENCE.sub("", text)):
        bases = [ROOT, page.parent]
        for name in CODE.findall(part):
            if EXAMPLES.search(name):
                continue
            if name.endswith("/"):
                folders = [base / name for base in bases if (base / name).is_dir()]
                bases += folders
                if not folders and page.name in MAPS:
                    yield f"there is no folder {name}"
            elif FILE.fullmatch(name) and ("/" in name or page.name in MAPS):
                found = [base / name for base in reversed(bases) if (base / name).is_file()]
                if found:
                    bases += [folder for folder in found[0].parents if ROOT in folder.parents]
                else:
                    yield f"there is no file {name}"


def main() -> int:
    """Prints what is wrong, one line each."""
    faults = [
        f"{page.relative_to(ROOT)}: {fault}"
        for page in pages()
        for text in [page.read_text("utf-8")]
        for fault in (*broken_links(page, text), *missing_files(page, text))
    ]
    print("\n".join(faults) or "every link and file of the documentation is there")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
