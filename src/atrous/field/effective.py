"""The effective receptive field: what a unit really depends on, inside what it could depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from atrous.field.analysis import Analysis, InputShape
from atrous.field.unit import Unit

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, eq=False)
class EffectiveField:
    """How strongly one unit depends on each input position. Tuples have an entry for each spatial axis of the input.

    Args:
        layer: Name of the unit's layer, or `"output"`.
        position: Of the unit, its index along each axis.
        gradient: Mean size of the unit's derivative by each position, float64 (*spatial); channels are summed.
        theoretical: First and last position that it could depend on; outside the input where that is padding.
    """

    layer: str
    position: tuple[int, ...]
    gradient: np.ndarray
    theoretical: tuple[tuple[int, int], ...]

    @property
    def size(self) -> tuple[int, ...]:
        """Positions of the input that the unit could depend on: the theoretical field without its padding."""
        spans = zip(self.theoretical, self.gradient.shape, strict=True)
        return tuple(min(last, n - 1) - max(first, 0) + 1 for (first, last), n in spans)

    @property
    def two_sigma(self) -> tuple[float, ...]:
        """Positions from two standard deviations before the mean to two behind: where 95 % lie if it is a Gaussian.

        Taking it for one is what Luo et al. show of deep networks; of an even field this is more than there is of it.
        """
        return tuple(4 * _deviation(marginal) for marginal in self.marginals)

    @property
    def mass_95(self) -> tuple[int, ...]:
        """Positions of the middle 95 %, whatever the shape: the fewest with at most 2.5 % cut off on either side."""
        return tuple(_middle(marginal, 0.95) for marginal in self.marginals)

    @property
    def ratio(self) -> tuple[float, ...]:
        """`mass_95` as a share of `size`, 0 … 1."""
        return tuple(used / size for used, size in zip(self.mass_95, self.size, strict=True))

    @property
    def marginals(self) -> tuple[np.ndarray, ...]:
        """Share of the gradient at each position along an axis, (n,) each."""
        total, axes = self.gradient.sum(), range(self.gradient.ndim)
        return tuple(self.gradient.sum(axis=tuple(a for a in axes if a != axis)) / total for axis in axes)

    def __rich__(self) -> RenderableType:
        """A row an axis."""
        from rich import box
        from rich.table import Table

        where = ", ".join(map(str, self.position))
        table = Table(title=f"{self.layer} at ({where})", box=box.SIMPLE_HEAD, title_justify="left")
        for column in ("axis", "theoretical", "±2σ", "95 % of the gradient", "used"):
            table.add_column(column, justify="right")
        for axis, figures in enumerate(zip(self.size, self.two_sigma, self.mass_95, self.ratio, strict=True)):
            size, sigmas, mass, ratio = figures
            table.add_row(str(axis), f"{size:,}", f"{sigmas:.1f}", f"{mass:,}", f"{ratio:.0%}")
        return table


def effective_field(
    model: Any,
    inputs: Any = None,
    *,
    layer: str | None = None,
    position: Sequence[int] | None = None,
    input_shape: InputShape | None = None,
    input_name: str | None = None,
    samples: int = 16,
    seeds: Sequence[int] = (0,),
    batch_size: int = 8,
) -> EffectiveField:
    """Measures how strongly one unit of a layer depends on each input position: the mean of |∂ unit / ∂ input|.

    The model is taken as it is, at inference. Of a layer with several channels, a random direction stands for the unit (the
    gradient is that of Σ uᶜ·yᶜ with a new u of length 1 for each sample): with the plain sum, channels would cancel, behind
    a softmax to nothing. On average that is the length of the gradient over channels, up to a factor.

    Args:
        model: A built `keras.Model`, as for `analyze`.
        inputs: Examples, `(n, *input_shape)`; a dict of them by name for a model with several inputs. Default: noise from
            the standard normal distribution. A network that has been trained is better asked about real examples, in the range
            that it was trained on.
        layer: Name of the layer. Default: the output, or, where that has lost its place (global pooling, flatten), the last
            layer that still knows it.
        position: Of the unit, its index along each spatial axis; negative from the end. Default: the middle. Ask a causal
            network about its last position, `(-1,)`: it has most of the past in the input.
        input_shape: Without the batch axis, where the model leaves lengths open and there are no `inputs`.
        input_name: Which input to ask about, of a model with several. Default: the first.
        samples: Inputs made of noise for each seed.
        seeds: Of noise and directions; weights stay what they are. For fields over random weights, as in the paper, build the
            model anew and average `gradient`.
        batch_size: Inputs at a time.

    Returns:
        The `gradient`, and its extent beside the theoretical one.

    Raises:
        ValueError: The input is integers, of which there is no derivative; the model can't be analyzed; an argument doesn't fit
            it; or the gradient is zero everywhere.

    Source: Luo, Li, Urtasun, Zemel 2016, "Understanding the effective receptive field in deep convolutional neural networks",
    arXiv:1701.04128, section 2: a gradient of 1 at the central unit, sent back to the input. A deep stack's is close to a
    Gaussian whose width grows with √depth where the theoretical field grows with depth.
    """
    _refuse_integers(model, inputs, input_name)
    analysis = Analysis(model, input_shape if inputs is None else _shapes_of(model, inputs), input_name)
    if analysis.graph.assumed:
        raise ValueError(
            f"`input_shape` must be given without open lengths, or `inputs`. Received: input_shape={input_shape}, inputs=None."
        )
    unit = Unit(analysis, layer, position)
    total, count = np.zeros(unit.input_size), 0
    for seed in seeds:
        random = np.random.default_rng(seed)
        for batch in _batches(_examples(analysis, inputs, samples, random), batch_size):
            gradients = unit.gradient(batch, _directions(random, len(batch[analysis.input_name]), unit.channels))
            total += gradients.sum(axis=0)
            count += len(gradients)
    if not np.isfinite(total).all() or not total.any():
        raise ValueError(
            f"The gradient of {unit.name!r} at {unit.position} is {'zero everywhere' if not total.any() else 'not finite'}, so "
            "that it has no extent: units may be dead or saturated, or an operation have no derivative. Try other `inputs` (in "
            "the range that the model expects), another `position` or `layer`."
        )
    return EffectiveField(unit.name, unit.position, total / count, unit.spans)


def _refuse_integers(model: Any, inputs: Any, input_name: str | None) -> None:
    tensors = getattr(model, "inputs", None) or []
    asked = [tensor for tensor in tensors if tensor.name == input_name] or tensors[:1]
    for tensor in tensors if inputs is None else asked:  # noise is made for all of them
        if not str(tensor.dtype).startswith(("float", "bfloat")):
            raise ValueError(
                f"The input must be floats: there is no derivative by integers. Received: input {tensor.name!r} of dtype "
                f"{tensor.dtype}. Ask about what comes behind the layer that takes them, `keras.Model(embedding.output, "
                "model.output)`."
            )


def _directions(random: np.random.Generator, n: int, channels: int) -> np.ndarray:
    """Of length 1, evenly over the sphere, (n, channels)."""
    directions = random.standard_normal((n, channels))
    return np.asarray(directions / np.linalg.norm(directions, axis=1, keepdims=True))


def _shapes_of(model: Any, inputs: Any) -> InputShape:
    if not isinstance(inputs, Mapping):
        return tuple(np.shape(inputs)[1:])
    names = [tensor.name for tensor in model.inputs]
    if set(names) != set(inputs):
        raise ValueError(f"`inputs` must have an array for each of {names}. Received: inputs for {sorted(inputs)}.")
    return [tuple(np.shape(inputs[name])[1:]) for name in names]


def _examples(analysis: Analysis, inputs: Any, samples: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Arrays (n, …) for each input of the model."""
    graph = analysis.graph
    if inputs is None:
        shapes = {name: graph.shapes[key] for name, key in graph.inputs.items()}
        return {name: random.standard_normal((samples, *shape), np.float32) for name, shape in shapes.items()}
    given = inputs if isinstance(inputs, Mapping) else {analysis.input_name: inputs}
    return {name: np.asarray(array) for name, array in given.items()}


def _batches(examples: Mapping[str, np.ndarray], batch_size: int) -> Iterator[dict[str, np.ndarray]]:
    count = min(len(array) for array in examples.values())
    for start in range(0, count, batch_size):
        yield {name: array[start : start + batch_size] for name, array in examples.items()}


def _deviation(shares: np.ndarray) -> float:
    positions = np.arange(len(shares))
    return float(np.sqrt(np.sum(shares * (positions - np.sum(shares * positions)) ** 2)))


def _middle(shares: np.ndarray, share: float) -> int:
    rounding = 1e-12  # a tail of exactly 2.5 % is cut off
    before = np.cumsum(shares) <= (1 - share) / 2 + rounding
    behind = np.cumsum(shares[::-1]) <= (1 - share) / 2 + rounding
    return int(len(shares) - before.sum() - behind.sum())
