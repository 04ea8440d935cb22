"""Plots to PNG, SVG and PDF, with text, mathematics, a style and a 3D axis."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np

x = np.linspace(0, 6, 50)
with plt.style.context("ggplot"):
    figure, axes = plt.subplots(2, 2, figsize=(4, 3), dpi=50)
    axes[0, 0].plot(x, np.sin(x), label=r"$\sin x^2$")
    axes[0, 0].legend()
    axes[0, 1].bar(["a", "b"], [1, 2])
    axes[1, 0].contourf(np.outer(x, x))
    axes[1, 1].hist([1, 2, 2], bins=2)
    figure.suptitle("Ünïcode")
    for kind in ("png", "svg", "pdf"):
        figure.savefig(f"/tmp/plot.{kind}")
picture = matplotlib.image.imread("/tmp/plot.png")
print(picture.shape, len(np.unique(picture.reshape(-1, 4), axis=0)) > 50)
svg = Path("/tmp/plot.svg").read_text()
print("<svg" in svg, svg.count("<path") > 50)
print(Path("/tmp/plot.pdf").read_bytes()[:5])
surface = plt.figure().add_subplot(projection="3d")
surface.plot_surface(*np.meshgrid(x, x), np.outer(x, x))
surface.figure.savefig("/tmp/3d.png")
print(matplotlib.image.imread("/tmp/3d.png").shape)
