"""Do the classifiers that come with Keras see what atrous says they see? Fields by arithmetic beside fields by gradient.

    python benchmarks/fields_of_applications.py [--only NAME …]

Weights are random: the gradient is that of a linearised copy in float64 (see `atrous.field.verify`), of the output in the
middle of an input that is longer than the field and narrow, so that it can be afforded; what is seen along the long axis
doesn't change. A network with squeeze-and-excitation sees everything through its pooled branch: there, the span is that of the
rest by arithmetic alone, and the gradient says whether everything is seen.

Recorded with Keras 3.15 on TensorFlow; effective stride 32 everywhere, and not one position of the input differs:

| network | published | by arithmetic | by gradient |
|---|---|---|---|
| VGG16 | 212 | 212 | 212 |
| VGG19 | | 268 | 268 |
| ResNet50, ResNet50V2 | 483 | 483 | 483 |
| ResNet101 | 1027 | 1,027 | 1,027 |
| ResNet152 | 1507 | 1,507 | 1,507 |
| MobileNet | 315 | 315 | 315 |
| MobileNetV2 | | 491 | 491 |
| MobileNetV3Small | | ∞ (639) | all |
| InceptionV3 | 1311 | 1,311 | 1,311 |
| InceptionResNetV2 | 3039 | 3,039 | 3,039 |
| Xception | | 1,083 | 1,083 |
| DenseNet121 | | 2,071 | 2,071 |
| EfficientNetB0 | | ∞ (851) | all |
| EfficientNetV2B0 | | ∞ (763) | all |
| NASNetMobile | | 2,407 | 2,407 |

ConvNeXt isn't among them: TensorFlow compiles each of its grouped convolutions, and more than five minutes were not enough.
"""

from __future__ import annotations

import math
import time
from typing import Annotated

import keras
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from atrous.field.analysis import Analysis
from atrous.field.gradients import float64
from atrous.field.linear import Linearized
from atrous.field.probing import probe
from atrous.field.reach import backwards

# Araujo, Norris, Sim 2019, doi 10.23915/distill.00021; None where it has no figure.
PUBLISHED: dict[str, int | None] = {
    "VGG16": 212,
    "VGG19": None,
    "ResNet50": 483,
    "ResNet101": 1027,
    "ResNet152": 1507,
    "ResNet50V2": None,
    "MobileNet": 315,
    "MobileNetV2": None,
    "MobileNetV3Small": None,
    "InceptionV3": 1311,
    "InceptionResNetV2": 3039,
    "Xception": None,
    "DenseNet121": None,
    "EfficientNetB0": None,
    "EfficientNetV2B0": None,
    "NASNetMobile": None,
}
WIDTHS = {"InceptionV3": 96, "InceptionResNetV2": 96, "Xception": 96, "NASNetMobile": 64}


def main(only: Annotated[list[str] | None, typer.Option(help="Names of `keras.applications`.")] = None) -> None:
    """Prints a row a network, and fails if any differs."""
    table = Table("network", "published", "by arithmetic", "by gradient", "stride", "positions that differ", "seconds")
    differ = 0
    for name in only or PUBLISHED:
        row, wrong = _row(name)
        differ += wrong
        table.add_row(*row)
        print(" ".join(row), flush=True)
    Console().print(table)
    raise SystemExit(bool(differ))


def _row(name: str) -> tuple[tuple[str, ...], int]:
    start = time.perf_counter()
    make = getattr(keras.applications, name)
    size = 224 if name == "NASNetMobile" else None  # its branches fit only if the size is known when it is made
    field = Analysis(make(weights=None, include_top=False, input_shape=(size, size, 3)))
    field = field.seen[field.graph.outputs[0]].fields[0]
    length = 32 * math.ceil(field.local_size / 32) + 128
    shape = (length, WIDTHS.get(name, 32), 3)
    analysis = Analysis(make(weights=None, include_top=False, input_shape=shape))
    key = analysis.graph.outputs[0]
    position = tuple(n // 2 for n in analysis.seen[key].shape[:2])
    counts, _ = backwards(analysis, key, position)
    with float64():
        (found,) = probe(analysis, Linearized(analysis.graph), [(key, position)])
    seen = np.flatnonzero(found.any(axis=1))
    span = int(seen[-1] - seen[0] + 1)
    differing = int(((found > 0) != (counts > 0)).sum())
    everything = math.isinf(field.size)
    wrong = differing + (span != (length if everything else field.local_size))
    return (
        name,
        str(PUBLISHED.get(name) or "–"),
        f"∞ ({field.local_size:,})" if everything else f"{field.local_size:,}",
        f"all of {length:,}" if everything and span == length else f"{span:,}",
        str(analysis.seen[key].fields[0].stride),
        f"{differing:,} of {found.size:,}",
        f"{time.perf_counter() - start:.0f}",
    ), wrong


if __name__ == "__main__":
    typer.run(main)
