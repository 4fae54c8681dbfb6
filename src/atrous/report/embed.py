"""Figures and images as text that stands inside the page."""

from __future__ import annotations

import base64
import html
import io
import re

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from atrous.plots import style

# The page's stylesheet gives each role another colour on a dark screen.
_ROLES = {
    style.INK: "var(--ink)",
    style.MUTED: "var(--muted)",
    style.RULE: "var(--rule)",
    style.PAPER: "var(--paper)",
    style.FIRST: "var(--first)",
    style.SECOND: "var(--second)",
}
_LARGEST_SIDE = 192  # pixels of an embedded example; more does not show at the size they are drawn
_LARGEST_PNG = 96  # pixels a side; above, two dozen photographs would make the page heavy


def svg(axes: Axes, *, name: str, alt: str) -> Markup:
    """The figure that the axes are in, as an inline `<svg>` whose colours follow the page and whose text is text.

    Args:
        axes: Any axes of the figure to embed.
        name: Prefix of every id inside, so that several figures can stand on one page; the same figure gives the same text.
        alt: What the figure shows, for readers who don't see it.
    """
    figure, buffer = axes.figure, io.StringIO()
    assert isinstance(figure, Figure), "plots draw into whole figures here"
    # Text stays text, ids repeat from run to run, and images keep their own pixels instead of being merged into one.
    settings = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "image.composite_image": False}
    with matplotlib.rc_context(settings):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    view = re.search(r'viewBox="([^"]+)"', text)
    body = text[text.index(">") + 1 :]
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = body.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
    body = re.sub(r"font: ((?:bold )?)([\d.]+)px [^;\"]*", r"font: \1\2px var(--font)", body)
    for color, role in _ROLES.items():
        body = body.replace(color, role)
    assert view is not None, "matplotlib writes a viewBox"
    return Markup(f'<svg role="img" aria-label="{html.escape(alt)}" viewBox="{view[1]}">{body}')


def picture(image: np.ndarray) -> str:
    """An example `(height, width, 1 or 3)`, 0..255, in a data URI: a small one as PNG, a large one as a smaller JPEG."""
    pixels = np.asarray(image).astype("uint8")
    example = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    example.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    kind = "png" if max(example.size) <= _LARGEST_PNG else "jpeg"
    buffer = io.BytesIO()
    example.save(buffer, format=kind, optimize=True, quality=88)
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
