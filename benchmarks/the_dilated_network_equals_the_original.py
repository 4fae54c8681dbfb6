"""Does `to_output_stride` give, at every position of the original grid, the original's output? All families, four ways to ask.

    python benchmarks/the_dilated_network_equals_the_original.py [FAMILY …] [--output-stride 8] [--float64]

Random weights and random statistics of batch normalisation; an image of noise. Models of fixed size at 224×224, 225×225 and
250×250, and one of open size at those three. The figure is the largest difference of the two outputs, in units of what the
tolerance rule of the tests allows, 8 · eps for every layer that sums, of the largest output: 1 would be the limit. In float64
eps is 2^29 times smaller: a figure that doesn't grow there is rounding, and nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import keras
from rich.console import Console
from rich.table import Table

from atrous.surgery import to_output_stride
from backbones import application, depth, error, image, output, randomized

SIZES = 224, 225, 250
EXACT = [
    *("ResNet50", "ResNet50V2", "VGG16", "MobileNet", "MobileNetV2", "DenseNet121", "Xception", "InceptionV3", "ConvNeXtTiny"),
    *("ResNet101", "ResNet101V2", "ResNet152", "ResNet152V2"),
]
SAMPLED = ["MobileNetV3Small", "EfficientNetB0"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("families", nargs="*", default=EXACT[:9] + SAMPLED + EXACT[9:])
    parser.add_argument("--float64", action="store_true")
    parser.add_argument("--output-stride", type=int, default=8)
    arguments = parser.parse_args()
    dtype = "float64" if arguments.float64 else "float32"
    columns = [f"{size}" for size in SIZES] + [f"open, {size}" for size in SIZES]
    table = Table("family", "size of the output", *columns)
    console = Console(width=140)
    for family in arguments.families:
        keras.config.set_dtype_policy(dtype)  # here, because `clear_session` forgets it
        found = measured(application(family), arguments.output_stride, family in SAMPLED, dtype)
        shapes, errors = zip(*found, strict=True)
        row = [family + (", sampled" if family in SAMPLED else ""), ", ".join(shapes[: len(SIZES)])]
        row += [f"{e:.3f}" for e in errors]
        table.add_row(*row)
        print(*row, sep=" | ", flush=True)
        keras.utils.clear_session()
    console.print(table)


def measured(make: Callable[[Any], Any], stride: int, sampled: bool, dtype: str) -> Iterator[tuple[str, float]]:
    """The size of the dilated output and its error, for each size known and then open."""
    pool = "sampled" if sampled else None
    for sizes in (*((size,) for size in SIZES), SIZES):
        known = len(sizes) == 1
        model = randomized(make((sizes[0],) * 2 if known else (None, None)))
        dilated = to_output_stride(model, stride, pool=pool)
        for size in sizes:
            x = image((size, size), dtype)
            actual, expected = output(dilated, x), output(model, x)
            factor = 32 // stride
            yield str(actual.shape[1]), error(actual[:, ::factor, ::factor], expected, depth(model), dtype)


if __name__ == "__main__":
    main()
