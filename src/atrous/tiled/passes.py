"""Which layers read a whole image, and in how many passes over the tiles the output is found.

Most layers are computed part by part as they are. A mean or maximum over all positions (the image pooling of ASPP, squeeze and
excitation) is exact in two passes: in the first the tensor in front of it is made tile by tile and reduced; from then on its
result is known. What else reads all positions at once is refused by name, or, where that was asked for, runs on each tile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np
from keras import layers, ops

from atrous.field.graph import Graph, Use
from atrous.parts.computing import compute
from atrous.parts.part import CannotCutError, Part, Spans, Tensor, called, is_operation, needs, ties

Origin = dict[int, int]
"""For each dim of a tensor that is cut, which dim of the image it comes from."""

MEANS = (layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D)
MAXIMA = (layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D)


class Reduction:
    """A layer that takes the mean, sum, maximum or minimum over positions, of which each tile gives its share.

    Args:
        use: Of the layer.
        dims: Dims of its input that it reduces and that are cut.
        shape: Of its input, without the batch axis.
    """

    def __init__(self, use: Use, dims: Sequence[int], shape: Sequence[int]) -> None:
        self.use, self.dims, self.length = use, tuple(dims), int(np.prod([shape[d] for d in dims]))
        self.how = kind_of(use) or "mean"
        start = {"mean": 0.0, "sum": 0.0, "max": -np.inf, "min": np.inf}[self.how]
        self.state = np.full([1 if d in self.dims else n for d, n in enumerate(shape)], start)

    def add(self, values: np.ndarray, spans: Spans) -> None:
        """Takes in a tile; sums are made in float64.

        Args:
            values: (1, *dims).
            spans: Which positions these are.
        """
        where = tuple(slice(*spans[d]) if d in spans and d not in self.dims else slice(None) for d in range(self.state.ndim))
        axes = tuple(d for d in self.dims)
        if self.how in ("mean", "sum"):
            self.state[where] += values[0].sum(axis=axes, dtype="float64", keepdims=True)
        else:
            join, reduced = (np.maximum, np.max) if self.how == "max" else (np.minimum, np.min)
            self.state[where] = join(self.state[where], reduced(values[0], axis=axes, keepdims=True))

    def result(self, dtype: str) -> np.ndarray:
        """What the layer makes of all that was taken in: (1, *dims of its output)."""
        found = self.state / self.length if self.how == "mean" else self.state
        made = called(self.use, [ops.cast(ops.convert_to_tensor(found[None]), dtype)])
        return np.asarray(ops.convert_to_numpy(made))


def kind_of(use: Use) -> str | None:
    """How a layer reduces; `None` if it is none that can be made of what tiles give."""
    if isinstance(use.layer, MEANS) or is_operation(use, "Mean"):
        return "mean"
    if isinstance(use.layer, MAXIMA) or is_operation(use, "Max", "Amax"):
        return "max"
    return "sum" if is_operation(use, "Sum") else "min" if is_operation(use, "Min", "Amin") else None


@dataclass(frozen=True)
class Pass:
    """One walk over the tiles of a tensor.

    Args:
        target: Number of the tensor that is made.
        reductions: What is known of it afterwards, by places in `graph.uses`; none in the last pass, which makes the output.
    """

    target: int
    reductions: tuple[int, ...] = ()


@dataclass
class Plan:
    """A model's graph, and how it is gone through.

    Args:
        graph: Of the model at the image's size.
        image: Number of the image.
        origins: Of every tensor, the dims that are cut.
        reduced: For the place of each reduction in `graph.uses`, the dims of its input that it reduces.
        loose: Places of layers that read more than a tile, and run on what is there of it.
        passes: In order.
        dtype: That the image is brought to.
    """

    graph: Graph
    image: int
    origins: list[Origin]
    reduced: dict[int, tuple[int, ...]] = field(default_factory=dict)
    loose: set[int] = field(default_factory=set)
    passes: list[Pass] = field(default_factory=list)
    dtype: str = "float32"

    @property
    def output(self) -> int:
        """Number of the output."""
        return self.graph.outputs[0]

    def needed(self, at: int, output: int, want: Spans) -> list[Spans]:
        """What part of each input a part of an output needs, as `parts.needs` says; of loose layers, the same part."""
        use = self.graph.uses[at]
        if at not in self.loose:
            return needs(use, output, want)
        return [{d: want[d] for d in self.origins[taken]} for taken in use.inputs]

    def computed(self, at: int, parts: Sequence[Part], want: Spans) -> list[Part]:
        """Those parts, computed."""
        use = self.graph.uses[at]
        if at not in self.loose:
            return compute(use, parts, want)
        made: Tensor = called(use, [_at(part, want) for part in parts])
        return [Part(values, want) for values in keras.tree.flatten(made)]


def _at(part: Part, want: Spans) -> Tensor:
    x = part.values
    for d, (begin, _) in part.spans.items():
        first, last = want[d]
        x = x[(slice(None),) * (d + 1) + (slice(first - begin, last - begin),)]
    return x


def plan_of(graph: Graph, approximate: bool = False) -> Plan:
    """Decides how a model is gone through.

    Args:
        graph: Of the model at the image's size.
        approximate: Whether layers that read all positions may read those of a tile.

    Raises:
        CannotCutError: A layer reads all positions, or can't be computed on part of its input.
    """
    (name,) = graph.inputs
    image = graph.inputs[name]
    plan = Plan(graph, image, [{} for _ in graph.shapes])
    plan.origins[image] = {d: d for d in graph.space[name]}
    for at, use in enumerate(graph.uses):
        for taken in use.inputs:
            if taken in graph.constants:
                plan.origins[taken] = dict(plan.origins[graph.constants[taken].inputs[0]])
        _follow(plan, at, use, approximate)
    plan.passes = _passes(plan)
    return plan


def _follow(plan: Plan, at: int, use: Use, approximate: bool) -> None:
    """Finds what of the outputs is cut."""
    if kind_of(use) is not None:
        origin, kept = plan.origins[use.inputs[0]], {link.out_of[0]: link.into[0] for link in use.reads[0].links[0]}
        lost = tuple(sorted(set(origin) - set(kept)))
        if lost:
            plan.reduced[at] = lost
            plan.origins[use.outputs[0]] = {kept[d]: origin[d] for d in origin if d in kept}
            return
    for output, made in enumerate(use.outputs):
        try:
            plan.origins[made] = _origin(plan, use, output)
        except CannotCutError:
            if not (approximate and _may_be_loose(plan, use)):
                raise
            plan.loose.add(at)
            plan.origins[made] = dict(plan.origins[use.inputs[0]])


def _origin(plan: Plan, use: Use, output: int) -> Origin:
    found: Origin = {}
    for place, taken in enumerate(use.inputs):
        origin = plan.origins[taken]
        if origin and not use.reads[output].links[place]:
            raise CannotCutError(use, "it reads all positions at once")
        found.update({into: origin[d] for into, (d, _) in ties(use, output, place, origin).items()})
    return found


def _may_be_loose(plan: Plan, use: Use) -> bool:
    """Whether the layer makes as many positions as it is given."""
    tensors, dims = (*use.inputs, *use.outputs), plan.origins[use.inputs[0]]
    shapes = [plan.graph.shapes[number] for number in tensors]
    same = all(len(shape) > max(dims) for shape in shapes) and len({tuple(shape[d] for d in dims) for shape in shapes}) == 1
    return same and all(plan.origins[taken] == dims for taken in use.inputs)


def _passes(plan: Plan) -> list[Pass]:
    graph = plan.graph
    maker = {made: at for at, use in enumerate(graph.uses) for made in use.outputs}
    wanted: set[int] = set()
    stack = [plan.output]
    while stack:
        at = maker.get(stack.pop())
        if at is not None and at not in wanted:
            wanted.add(at)
            stack.extend(graph.uses[at].inputs)
    by_target: dict[int, list[int]] = {}
    for at in sorted(wanted & set(plan.reduced)):
        by_target.setdefault(graph.uses[at].inputs[0], []).append(at)
    return [*(Pass(target, tuple(places)) for target, places in by_target.items()), Pass(plan.output)]


def known_after(plan: Plan, done: Sequence[Pass]) -> Mapping[int, Use]:
    """Tensors that passes have found, and what made them."""
    uses = [plan.graph.uses[at] for step in done for at in step.reductions]
    return {use.outputs[0]: use for use in uses}
