"""The table of models: what each costs and sees, worked out from the model itself."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from atrous import models
from atrous.field.analysis import analyze
from atrous.field.budgeting import budget
from atrous.models import drn, splicenet

COLUMNS = ("model", "input", "parameters", "MACs", "on data", "receptive field", "output stride", "paper")


@dataclass(frozen=True)
class Row:
    """What is known of one model.

    Args:
        name: How it is made.
        input_shape: That its cost is counted for, without batch.
        parameters: Trainable ones.
        macs: Multiply-adds of one example, forward; products with the padding among them, as papers count.
        valid_macs: The same without them.
        receptive_field: Input positions along each axis that a position of the last map is made of, but for means over all.
        sees_all: Whether there are such means in it: image-level features, group normalisation.
        output_stride: Input positions between neighbours of the coarsest map.
        paper: Its name at arXiv, or its DOI.
    """

    name: str
    input_shape: tuple[int, ...]
    parameters: int
    macs: int
    valid_macs: int
    receptive_field: tuple[int, ...]
    sees_all: bool
    output_stride: int
    paper: str

    def texts(self) -> tuple[str, ...]:
        """A cell for each of `COLUMNS`."""
        field = "×".join(f"{n:,}" for n in dict.fromkeys(self.receptive_field))
        return (
            self.name,
            "×".join(f"{n:,}" for n in self.input_shape),
            f"{self.parameters:,}",
            _short(self.macs),
            "100%" if self.valid_macs == self.macs else f"{min(0.99, self.valid_macs / self.macs):.0%}",
            f"∞ ({field})" if self.sees_all else field,
            str(self.output_stride),
            self.paper,
        )


@dataclass(frozen=True)
class Entry:
    """A model of the table.

    Args:
        make: The function.
        input_shape: For it.
        paper: As in `Row`.
        arguments: For it.
    """

    make: Any
    input_shape: tuple[int, ...]
    paper: str
    arguments: dict[str, Any]

    @property
    def name(self) -> str:
        """How the model is made; `input_shape` is left out."""
        first = next(iter(inspect.signature(self.make).parameters))
        given = (_code(value) if key == first else f"{key}={_code(value)}" for key, value in self.arguments.items())
        return f"{self.make.__name__}({', '.join(given)})"

    def model(self) -> keras.Model:
        """The model, made anew."""
        return self.make(input_shape=self.input_shape, **self.arguments)

    def row(self) -> Row:
        """Makes the model and looks at it."""
        model = self.model()
        report, cost = analyze(model), budget(model)
        last = report.features
        strides = [stride for layer in report.layers if layer.is_local for stride in layer.stride]
        return Row(
            name=self.name,
            input_shape=self.input_shape,
            parameters=cost.trainable_parameters,
            macs=cost.dense_macs,
            valid_macs=cost.valid_macs,
            receptive_field=last.local_size,
            sees_all=math.inf in last.size,
            output_stride=int(max(strides)),
            paper=self.paper,
        )


def _entries(make: Any, input_shape: tuple[int, ...], paper: str, *arguments: dict[str, Any]) -> tuple[Entry, ...]:
    return tuple(Entry(make, input_shape, paper, each) for each in arguments)


IMAGE, SCENE = (224, 224, 3), (513, 513, 3)
RESNET_50, ON_RESNET_50 = {"variant": "resnet_50"}, {"backbone": "resnet_50"}
SPLICEAI = "doi 10.1016/j.cell.2018.12.015"

ENTRIES = (
    *_entries(models.DilatedClassifier, (28, 28, 1), "", {"classes": 10}),
    *_entries(models.ResNet, IMAGE, "arXiv 1512.03385", {"variant": "resnet_14_small"}, {"variant": "resnet_18"}),
    *_entries(models.ResNet, IMAGE, "arXiv 1512.03385", {"variant": "resnet_34"}, RESNET_50, {**RESNET_50, "output_stride": 8}),
    *_entries(models.ResNet, IMAGE, "arXiv 1512.03385", {"variant": "resnet_101"}),
    *_entries(models.DRN, IMAGE, "arXiv 1705.09914", *({"variant": name} for name in ("a_50", *drn.VARIANTS))),
    *_entries(models.DilatedNet, SCENE, "arXiv 1511.07122", {"context": None}, {"context": "basic"}, {"context": "large"}),
    *_entries(models.DeepLabV3, SCENE, "arXiv 1706.05587", ON_RESNET_50, {**ON_RESNET_50, "output_stride": 8}),
    *_entries(
        models.DeepLabV3Plus,
        SCENE,
        "arXiv 1802.02611",
        {"backbone": "resnet_14_small"},
        ON_RESNET_50,
        {**ON_RESNET_50, "output_stride": 8},
    ),
    *_entries(models.DilatedDetector, (512, 512, 3), "arXiv 1904.01355", ON_RESNET_50),
    *_entries(
        models.TCN, (600, 2), "arXiv 1803.01271", {"outputs": 1, "filters": (24,) * 8, "kernel_size": 8, "output": "last"}
    ),
    *_entries(models.TCN, (1000, 1), "arXiv 1803.01271", {"outputs": 10, "filters": (10,) * 8, "kernel_size": 8}),
    *_entries(models.WaveNet, (16000,), "arXiv 1609.03499", {}, {"stacks": 3}),
    *_entries(models.SpliceNet, (15000, 4), SPLICEAI, *({"variant": name} for name in splicenet.VARIANTS)),
)
"""In the order of the table."""


def rows() -> Iterator[Row]:
    """Every row, as soon as it is known.

    Weights stay without values, because drawing them would take most of a minute; what Keras keeps of such models goes with
    `keras.utils.clear_session`.
    """
    for entry in ENTRIES:
        with keras.StatelessScope(initialize_variables=False):
            row = entry.row()
        yield row


def _code(value: Any) -> str:
    """As one writes it: `"d_22"`, `(24,) * 8`."""
    if isinstance(value, tuple) and len(value) > 2 and len(set(value)) == 1:
        return f"({value[0]!r},) * {len(value)}"
    return repr(value).replace("'", '"')


def _short(count: int) -> str:
    """Three digits and a unit: 4.12 G."""
    for unit, factor in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= factor:
            return f"{count / factor:#.3g} {unit}".replace(". ", " ")
    return str(count)
