"""CSV, groups, dates, joins, Excel, SQL, HTML, XML, styles and plots."""

import io
import sqlite3
from pathlib import Path

import matplotlib
import pandas as pd

matplotlib.use("Agg")
frame = pd.read_csv(
    io.StringIO("g,v,at\na,1,2024-01-31\nb,2,2024-02-29\na,3,2024-03-31\n"), parse_dates=["at"]
)
print(frame.groupby("g")["v"].sum().to_dict())
print(frame.set_index("at").resample("QE")["v"].sum().tolist())
print(frame.merge(pd.DataFrame({"g": ["a"], "w": [9]}), on="g")["w"].tolist())
print(frame["at"].dt.tz_localize("Europe/Sofia").dt.tz_convert("UTC").iloc[0])
for engine in ("openpyxl", "xlsxwriter"):
    frame.to_excel("/tmp/a.xlsx", engine=engine, index=False)
    print(pd.read_excel("/tmp/a.xlsx").equals(frame))
with sqlite3.connect(":memory:") as base:
    frame.to_sql("t", base, index=False)
    print(pd.read_sql("select g, sum(v) as s from t group by g", base).to_dict("list"))
print(pd.read_html(io.StringIO(frame.to_html(index=False)))[0]["v"].tolist())
print(pd.read_xml(io.StringIO(frame.to_xml(index=False)))["v"].tolist())
print(pd.read_json(io.StringIO(frame.to_json(date_format="iso")))["v"].tolist())
print("<style" in frame.style.highlight_max(subset="v").to_html())
print(frame[["g", "v"]].to_markdown(index=False).splitlines()[-1])
frame.plot(x="at", y="v").figure.savefig("/tmp/a.png")
print(Path("/tmp/a.png").read_bytes()[:4])
