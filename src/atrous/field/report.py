"""What `analyze` found, for programs and for readers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from atrous.field import coverage
from atrous.field.axis import AxisField
from atrous.field.seen import Seen

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class LayerReport:
    """What one output position of a layer sees of the model's input. Every property has a value for each spatial axis.

    Args:
        name: Of the layer.
        layer: The layer itself; `None` for a model or a layer made of layers.
        seen: What its output sees.
    """

    name: str
    layer: Any
    seen: Seen

    @property
    def fields(self) -> tuple[AxisField, ...]:
        """The whole truth, phase by phase; none if the layer doesn't depend on the input."""
        return self.seen.fields or ()

    @property
    def size(self) -> tuple[float, ...]:
        """Positions spanned: `int`, or `math.inf` behind global pooling, attention, recurrence."""
        return tuple(field.size for field in self.fields)

    @property
    def local_size(self) -> tuple[int, ...]:
        """Positions spanned by what is seen in particular: squeeze-and-excitation is infinite in size, not in local size."""
        return tuple(field.local_size for field in self.fields)

    @property
    def stride(self) -> tuple[Any, ...]:
        """Input positions between neighbouring outputs (jump, effective stride): `int`, or a `Fraction` behind up-sampling."""
        return tuple(field.stride for field in self.fields)

    @property
    def offset(self) -> tuple[float, ...]:
        """First input position that output 0 sees; negative in the padding, −∞ where everything earlier is seen."""
        return tuple(field.offset for field in self.fields)

    @property
    def center(self) -> tuple[float, ...]:
        """Middle of what output 0 sees, in input positions."""
        return tuple(field.center for field in self.fields)

    @property
    def look_back(self) -> tuple[float, ...]:
        """Input positions seen before an output's own."""
        return tuple(field.look_back for field in self.fields)

    @property
    def look_ahead(self) -> tuple[float, ...]:
        """Input positions seen after an output's own; 0 or less if causal."""
        return tuple(field.look_ahead for field in self.fields)

    @property
    def paths(self) -> tuple[np.ndarray, ...]:
        """Paths from each position of the local field to the output, float64 (local_size,), up to one factor above 2^53."""
        return tuple(field.paths[field.widest] for field in self.fields)

    @property
    def coverage(self) -> tuple[np.ndarray, ...]:
        """Which positions of the local field reach the output, boolean (local_size,)."""
        return tuple(field.coverage for field in self.fields)

    @property
    def missed(self) -> tuple[np.ndarray, ...]:
        """Positions of the local field that never reach the output, counted from its first."""
        return tuple(coverage.missed(paths) for paths in self.paths)

    @property
    def gridding(self) -> tuple[float, ...]:
        """Share of positions missed, 0 (none) … 1."""
        return tuple(coverage.gridding(paths) for paths in self.paths)

    @property
    def unevenness(self) -> tuple[float, ...]:
        """How much neighbours differ in their number of paths, 0 (smooth) … 1 (a comb): see `coverage.unevenness`."""
        return tuple(coverage.unevenness(paths) for paths in self.paths)

    @property
    def is_local(self) -> bool:
        """Whether the layer still knows where it is: nothing is local behind global pooling."""
        return any(field.is_local for field in self.fields)

    def span(self, position: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """First and last input position of the local field of the output at `position` (its index along each spatial axis)."""
        starts = [field.at(i) for field, i in zip(self.fields, position, strict=True)]
        return tuple((first, first + len(paths) - 1) for first, paths in starts)

    def facts(self) -> dict[str, Any]:
        """As JSON's types: infinite numbers are `null`."""
        return {
            "name": self.name,
            "type": type(self.layer).__name__ if self.layer is not None else None,
            "shape": list(self.seen.shape),
            "size": [_finite(n) for n in self.size],
            "local_size": list(self.local_size),
            "stride": [float(n) if n != int(n) else int(n) for n in self.stride],
            "offset": [_finite(n) for n in self.offset],
            "center": list(self.center),
            "look_back": [_finite(n) for n in self.look_back],
            "look_ahead": [_finite(n) for n in self.look_ahead],
            "gridding": list(self.gridding),
            "unevenness": list(self.unevenness),
            "missed": [len(positions) for positions in self.missed],
        }


@dataclass(frozen=True)
class Report:
    """What a model sees. `report[name]` is a layer's; models, and layers made of layers, have a name too.

    Args:
        model: Its name.
        input_name: Of the input that fields are measured in.
        input_size: Length of its spatial axes; `None` where it is open.
        layers: Every use of a layer, in order.
        named: By name.
        outputs: Of each output of the model.
        warnings: What a practitioner would want to be told, a sentence each.
    """

    model: str
    input_name: str
    input_size: tuple[int | None, ...]
    layers: tuple[LayerReport, ...]
    named: dict[str, LayerReport]
    outputs: tuple[LayerReport, ...]
    warnings: tuple[str, ...]

    def __getitem__(self, name: str) -> LayerReport:
        """The layer of this name, by its last use."""
        if name not in self.named:
            known = ", ".join(list(self.named)[:8])
            raise KeyError(f"`name` must be a layer of {self.model!r}, such as {known}. Received: name={name!r}.")
        return self.named[name]

    @property
    def output(self) -> LayerReport:
        """The model's first output."""
        return self.outputs[0]

    @property
    def features(self) -> LayerReport:
        """The output, or, where it has lost its place (global pooling, flatten), the last layer that still knows it."""
        if self.output.is_local:
            return self.output
        return next((layer for layer in reversed(self.layers) if layer.is_local), self.output)

    @property
    def gridding(self) -> float:
        """Share of positions inside the field of `features` that never reach it, on the worst axis: 0 (none) … 1."""
        return max(self.features.gridding, default=0.0)

    def to_json(self) -> str:
        """Everything as JSON; infinite numbers are `null`."""
        facts = {
            "model": self.model,
            "input": {"name": self.input_name, "size": list(self.input_size)},
            "output": self.output.facts(),
            "features": self.features.facts(),
            "gridding": self.gridding,
            "warnings": list(self.warnings),
            "layers": [layer.facts() for layer in self.layers],
        }
        return json.dumps(facts)

    def table(self, every_layer: bool = False) -> RenderableType:
        """A table for the terminal, with the warnings.

        Args:
            every_layer: Layers that change neither field nor position, such as activations, too.
        """
        from atrous.field.table import report_table

        table: RenderableType = report_table(self, every_layer)
        return table

    def __rich__(self) -> RenderableType:
        """The same, for rich."""
        return self.table()


def _finite(n: float) -> float | int | None:
    return None if math.isinf(n) else n
