"""A tiny data set of pictures that a small network can tell apart."""

from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("disk", "square", "stripes")


def make(folder: Path, count: int = 20, side: int = 16) -> Path:
    """Writes `count` gray pictures a class."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        for index in range(count):
            (cy, cx), r = rng.uniform(0.35 * side, 0.65 * side, 2), rng.uniform(0.15 * side, 0.3 * side)
            inside = {
                "disk": (y - cy) ** 2 + (x - cx) ** 2 < r * r,
                "square": (abs(y - cy) < r) & (abs(x - cx) < r),
                "stripes": (y + int(cy)) // 2 % 2 == 0,
            }[name]
            pixels = inside * 150 + rng.uniform(0, 100, (side, side))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{index}.png")
    return folder
