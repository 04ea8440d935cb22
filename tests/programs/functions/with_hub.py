"""filelock and huggingface_hub. The argument is the origin of a hub."""

import os
import sys
import tempfile

os.environ.update(
    HF_ENDPOINT=sys.argv[1], HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="1"
)

from filelock import FileLock, Timeout

folder = tempfile.mkdtemp()
path = os.path.join(folder, "lock")
first, second = FileLock(path), FileLock(path)
with first:
    print(first.is_locked, second.is_locked)
    try:
        second.acquire(timeout=0.05)
    except Timeout as error:
        print(type(error).__name__)
    with first:
        print(first.lock_counter)
with second:
    print(second.is_locked, first.is_locked)

from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache  # noqa: E402
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError  # noqa: E402

cache = os.path.join(folder, "cache")
path = hf_hub_download("some/model", "config.json", cache_dir=cache)
with open(path) as file:
    print(len(file.read()), os.path.relpath(path, cache))
print(try_to_load_from_cache("some/model", "config.json", cache_dir=cache) == path)
print(hf_hub_download("some/model", "config.json", cache_dir=cache, local_files_only=True) == path)
try:
    hf_hub_download("some/model", "missing.bin", cache_dir=cache)
except (EntryNotFoundError, LocalEntryNotFoundError) as error:
    print(type(error).__name__)
whole = snapshot_download("some/model", cache_dir=cache, max_workers=4)
for name in sorted(os.listdir(whole)):
    with open(os.path.join(whole, name)) as file:
        print(name, len(file.read()))
local = snapshot_download("some/model", local_dir=os.path.join(folder, "local"))
print(sorted(name for name in os.listdir(local) if not name.startswith(".")))
