"""What every layer of a model sees of its input."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import atrous.field.rules  # noqa: F401 (registers them)
from atrous.field.graph import ASSUMED_LENGTH, Graph, graph_of
from atrous.field.report import LayerReport, Report
from atrous.field.seen import Propagation, Seen
from atrous.field.warnings import warnings_of

InputShape = Sequence[int | None] | Sequence[Sequence[int | None]]


def analyze(
    model: Any,
    input_shape: InputShape | None = None,
    *,
    input_name: str | None = None,
    object_size: int | Sequence[int] | None = None,
) -> Report:
    """Theoretical receptive field, coverage and alignment of every layer of a model, by arithmetic on its layers' arguments.

    Nothing is computed with the model's weights. Branches are joined; models inside models, and layers made of other layers,
    are entered, and what is inside is named `"outer/inner"`. At inference: dropout and augmentation do nothing.

    Axes are looked at one by one. Where outputs see nothing at all, behind a transposed convolution with a kernel smaller than
    its stride, several axes and branches together can so seem to see more than they do; `reach` is exact there, too.

    Args:
        model: A built `keras.Model`; input `(batch, *spatial, channels)`, or channels first.
        input_shape: Of the input without its batch axis, or one for each input. Needed for a model that is neither functional
            nor sequential. Where lengths stay open, they are taken for a multiple of every stride, and a warning says so.
        input_name: Which input to ask about, of a model with several. Default: the first.
        object_size: Length of what must be seen, in input positions, one or one an axis: a smaller field is warned about.

    Returns:
        A `Report`: `.output` and `report[layer_name]` have `.size`, `.stride`, `.offset`, `.coverage`, …, each with a value for
        every spatial axis of the input; a layer used several times has the field of its last use.

    Raises:
        ValueError: A layer is of an unknown type, or moves positions in a way that can't be followed. The message names it and
            says how to `register` a rule.

    Source: Araujo, Norris, Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", doi 10.23915/distill.00021,
    extended to sets of positions, up-sampling and infinite fields.
    """
    return Analysis(model, input_shape, input_name).report(object_size)


class Analysis:
    """A model's graph with what every tensor in it sees: what reports, probes and budgets are made from.

    Args:
        model: As for `analyze`.
        input_shape: As for `analyze`.
        input_name: As for `analyze`.
    """

    def __init__(self, model: Any, input_shape: InputShape | None = None, input_name: str | None = None) -> None:
        self.graph: Graph = graph_of(model, input_shape)
        self.name: str = model.name
        self.input_name = self._chosen(input_name)
        self.input = self.graph.inputs[self.input_name]
        self.space = self.graph.space[self.input_name]

    def _chosen(self, name: str | None) -> str:
        names = list(self.graph.inputs)
        if name is not None and name not in names:
            raise ValueError(f"`input_name` must be one of the model's inputs, {names}. Received: input_name={name!r}.")
        return name or names[0]

    @cached_property
    def seen(self) -> list[Seen]:
        """What every tensor sees, by its number."""
        propagate = Propagation()
        seen = [Seen.constant(shape) for shape in self.graph.shapes]
        seen[self.input] = Seen.input(self.graph.shapes[self.input], self.space)
        for use in self.graph.uses:
            for reads, made in zip(use.reads, use.outputs, strict=True):
                try:
                    seen[made] = propagate(reads, [seen[taken] for taken in use.inputs])
                except ValueError as error:
                    raise ValueError(f"Layer {use.name!r} ({type(use.layer).__name__}): {error}") from error
        return seen

    def report(self, object_size: int | Sequence[int] | None = None) -> Report:
        """Everything found, with warnings."""
        rows = [LayerReport(use.name, use.layer, self.seen[made]) for use in self.graph.uses for made in use.outputs[:1]]
        named = {name: LayerReport(name, None, self.seen[key]) for name, key in self.graph.names.items()}
        return Report(
            model=self.name,
            input_name=self.input_name,
            input_size=self.input_size,
            layers=tuple(rows),
            named=named | {row.name: row for row in rows},
            outputs=tuple(LayerReport("output", None, self.seen[key]) for key in self.graph.outputs),
            warnings=tuple(warnings_of(self, object_size)),
        )

    @property
    def input_size(self) -> tuple[int | None, ...]:
        """Length of each spatial axis of the input; `None` where it is open."""
        shape = self.graph.shapes[self.input]
        return tuple(None if shape[d] == ASSUMED_LENGTH else shape[d] for d in self.space)
