"""The few colours and the bare axes that all plots share."""

from __future__ import annotations

import matplotlib.patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Each colour stands for one role, so that a page can put its own in place (the report does, for dark screens).
# Roles never rest on hue alone: lines differ in dashes and labels, cells in lightness and figures.
INK = "#1d2329"
MUTED = "#5e6873"
RULE = "#d5dbe1"
PAPER = "#ffffff"
FIRST = "#0a6c8f"
SECOND = "#b4501b"

# Drawn over an image, whatever the page around it looks like.
WHITE = "#fefefe"
YELLOW = "#ffd23f"
BLACK = "#020202"

FONT_SIZE = 9.0  # points


def new_figure(width: float, height: float) -> Figure:
    """A transparent figure, in inches, that leaves no label outside."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="none")


def bare(axes: Axes) -> Axes:
    """Takes away what carries no information: box, background, tick marks."""
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.tick_params(colors=MUTED, labelsize=FONT_SIZE, length=0, pad=5)
    for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
        label.set_color(INK)
        label.set_fontsize(FONT_SIZE)
    return axes


def bordered(artist: Artist, linewidth: float) -> None:
    """Gives a light line of this width, in points, a black border, so that it shows on any image and in print."""
    border = matplotlib.patheffects.Stroke(linewidth=linewidth + 1.6, foreground=BLACK)
    artist.set_path_effects([border, matplotlib.patheffects.Normal()])
