"""A progress bar."""

import io

from tqdm import tqdm

tqdm.monitor_interval = 0  # its monitor is a thread

out = io.StringIO()
print(sum(tqdm(range(4), file=out)), "100%" in out.getvalue(), "4/4" in out.getvalue())
