"""One expression over a data frame of pandas."""

import narwhals as nw
import pandas as pd

frame = nw.from_native(pd.DataFrame({"g": ["a", "b", "a"], "v": [1, 2, 3]}))
grouped = frame.group_by("g").agg(nw.col("v").sum()).sort("g")
print(grouped.to_dict(as_series=False))
