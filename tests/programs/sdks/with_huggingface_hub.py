"""``huggingface_hub`` against a fake of the hub. Argument: the server's origin."""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile

CACHE = tempfile.TemporaryDirectory()
os.environ["HF_ENDPOINT"] = sys.argv[1]
os.environ["HF_HOME"] = CACHE.name
os.environ["HF_HUB_DISABLE_XET"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

from huggingface_hub import HfApi, InferenceClient, hf_hub_download, snapshot_download  # noqa: E402
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError  # noqa: E402
from report import attempt  # noqa: E402


def download() -> object:
    path = pathlib.Path(hf_hub_download("team/model", "config.json"))
    again = hf_hub_download("team/model", "config.json")
    return [path.read_text(), str(path) == again, path.is_symlink(), path.parent.name]


def snapshot() -> object:
    folder = pathlib.Path(snapshot_download("team/model", max_workers=4))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path.relative_to(folder)), path.stat().st_size) for path in files]


def local() -> object:
    with tempfile.TemporaryDirectory() as folder:
        hf_hub_download("team/model", "data/large.bin", local_dir=folder)
        return pathlib.Path(folder, "data/large.bin").stat().st_size


def listed() -> object:
    return [HfApi().model_info("team/model").sha, sorted(HfApi().list_repo_files("team/model"))]


def missing() -> object:
    found = []
    for repository, name in (("team/model", "none"), ("team/none", "config.json")):
        try:
            hf_hub_download(repository, name)
        except (EntryNotFoundError, RepositoryNotFoundError) as error:
            found.append(type(error).__name__)
    return found


def chat() -> object:
    client = InferenceClient(base_url=f"{sys.argv[1]}/v1", api_key="hf_1")
    said = client.chat_completion([{"role": "user", "content": "Grüße?"}], model="m")
    return said.choices[0].message.content


for action in (download, snapshot, local, listed, missing, chat):
    attempt(action.__name__, action)
