"""Statistical plots to PNG and SVG."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import pandas as pd
import seaborn as sns

data = pd.DataFrame({"x": [1, 2, 3, 4] * 3, "y": [1, 3, 2, 5] * 3, "g": list("aabb") * 3})
sns.set_theme(style="whitegrid", palette="deep")
sns.lmplot(data=data, x="x", y="y", hue="g").savefig("/tmp/lm.png", dpi=40)
sns.heatmap(data[["x", "y"]].corr(), annot=True).figure.savefig("/tmp/heat.svg")
grid = sns.displot(data=data, x="y", kind="kde")
grid.savefig("/tmp/kde.png", dpi=40)
print(*(Path(f"/tmp/{name}.png").read_bytes()[:4] for name in ("lm", "kde")))
print("<svg" in Path("/tmp/heat.svg").read_text(), len(sns.color_palette("husl", 3)))
