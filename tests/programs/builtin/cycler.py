"""Combines properties."""

from cycler import cycler

print([(style["c"], style["ls"]) for style in cycler(c="rg") * cycler(ls=["-", ":"])])
