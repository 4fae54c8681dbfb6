"""Cross-checks what `analyze` and `reach` say with gradients of a linearised copy of the model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

from atrous.field.analysis import Analysis, InputShape
from atrous.field.axis import AxisField
from atrous.field.gradients import float64, gradient
from atrous.field.linear import DTYPE, Linearized
from atrous.field.reach import backwards

if TYPE_CHECKING:
    from rich.console import RenderableType

Position = tuple[int, ...]

_AT_ONCE = 2**25  # numbers in all of a copy's tensors together: 256 MiB


@dataclass(frozen=True)
class Check:
    """One output position of one layer.

    Args:
        layer: Its name.
        position: Along each spatial axis of its output; empty where nothing is spatial any more.
        seen: Input positions with a gradient that isn't 0.
        missing: Those among them that the theory says aren't seen.
        surplus: Those without a gradient that it says are.
        field: Whether `analyze`, which knows no edges, says the same along each axis; `None` where edges cut the field short.
    """

    layer: str
    position: Position
    seen: int
    missing: tuple[Position, ...]
    surplus: tuple[Position, ...]
    field: bool | None

    @property
    def agrees(self) -> bool:
        """Whether theory and gradient say the same."""
        return not self.missing and not self.surplus and self.field is not False


@dataclass(frozen=True)
class Verification:
    """What a gradient probe found.

    Args:
        model: Its name.
        checks: One for each layer and position.
    """

    model: str
    checks: tuple[Check, ...]

    @property
    def agrees(self) -> bool:
        """Whether theory and gradient say the same everywhere."""
        return all(check.agrees for check in self.checks)

    @property
    def differing(self) -> tuple[Check, ...]:
        """The checks where they don't."""
        return tuple(check for check in self.checks if not check.agrees)

    def __rich__(self) -> RenderableType:
        """One line, and a table of what differs."""
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        layers = len({check.layer for check in self.checks})
        count = f"{len(self.checks):,} positions in {layers:,} layers of {self.model}"
        if self.agrees:
            return Text(f"Gradient probe: theory and gradients agree at {count}.", style="green")
        table = Table(box=box.SIMPLE_HEAD)
        for column in ("layer", "position", "seen by gradient, not by theory", "by theory, not by gradient", "its row"):
            table.add_column(column, overflow="fold")
        for check in self.differing:
            row = {True: "agrees", False: "differs", None: "not compared"}[check.field]
            table.add_row(check.layer, str(check.position), _some(check.missing), _some(check.surplus), row)
        return Group(
            Text(f"Gradient probe: {len(self.differing):,} of {count} differ from the theory.", style="bold red"), table
        )


def verify(
    model: Any,
    input_shape: InputShape | None = None,
    *,
    layers: str | Sequence[str] | None = None,
    positions: Sequence[Position] | None = None,
    input_name: str | None = None,
    seed: int = 0,
) -> Verification:
    """Compares theoretical fields with gradients: an input position is seen where the gradient of the output isn't 0.

    Gradients are those of a linearised copy (see `atrous.field.linear`), in float64; the model itself is left as it is. They
    are compared with `reach`, which counts edges in, and, where no edge is in the way, with the rows of `analyze`.

    Args:
        model: As for `analyze`.
        input_shape: As for `analyze`; all lengths must be known. Memory is taken for every tensor of the model.
        layers: Name of the layer to check, or several. Default: every use of every layer.
        positions: Of the layers' outputs, along their spatial axes. Default: the first, the middle, its neighbour, the last.
        input_name: As for `analyze`.
        seed: Of the random weights.

    Raises:
        ValueError: The size of the input isn't known, a layer or position doesn't exist, a layer can't be followed or made
            again, or the copy's gradient isn't finite.
    """
    analysis = Analysis(model, input_shape, input_name)
    questions = [
        (name, key, position) for name, key in _targets(analysis, layers) for position in _positions(analysis, key, positions)
    ]
    theory = [backwards(analysis, key, position) for _, key, position in questions]
    at_once = max(1, _AT_ONCE // sum(math.prod(shape) for shape in analysis.graph.shapes))
    checks: list[Check] = []
    with float64():
        copy = Linearized(analysis.graph, seed)
        for start in range(0, len(questions), at_once):
            asked = questions[start : start + at_once]
            gradients = probe(analysis, copy, [(key, position) for _, key, position in asked], seed)
            said = theory[start : start + at_once]
            checks += [_check(analysis, *q, expected, found) for q, expected, found in zip(asked, said, gradients, strict=True)]
    return Verification(analysis.name, tuple(checks))


def probe(analysis: Analysis, copy: Linearized, outputs: Sequence[tuple[int, Position]], seed: int = 0) -> np.ndarray:
    """Size of the gradient of each output, by its tensor's number and position, for each position of the input.

    Returns:
        Float64 (outputs, *spatial axes of the input).
    """
    random = np.random.default_rng(seed)
    shapes = {key: (len(outputs), *analysis.graph.shapes[key]) for key in analysis.graph.inputs.values()}
    at = {key: random.uniform(0.5, 1.5, shape) for key, shape in shapes.items()}

    def total(x: Any) -> Any:
        inputs = {key: x if key == analysis.input else ops.convert_to_tensor(value, DTYPE) for key, value in at.items()}
        values = copy(inputs, max(key for key, _ in outputs))
        return sum(ops.sum(values[key][(i, *_index(analysis, key, position))]) for i, (key, position) in enumerate(outputs))

    found: np.ndarray = np.abs(gradient(total, at[analysis.input]))
    if not np.isfinite(found).all():
        raise ValueError("The gradient of the linearised copy isn't finite: the model is too deep for float64.")
    others = tuple(d + 1 for d in range(found.ndim - 1) if d not in analysis.space)
    return np.asarray(found.sum(axis=others))


def _targets(analysis: Analysis, layers: str | Sequence[str] | None) -> Iterator[tuple[str, int]]:
    if layers is not None:
        for name in [layers] if isinstance(layers, str) else layers:
            if name not in analysis.graph.names:
                raise ValueError(f"`layers` must be names of layers of {analysis.name!r}. Received: {name!r}.")
            yield name, analysis.graph.names[name]
        return
    for use in analysis.graph.uses:
        for i, key in enumerate(use.outputs):
            if analysis.seen[key].fields is not None:
                yield use.name + (f", output {i}" if len(use.outputs) > 1 else ""), key


def _positions(analysis: Analysis, key: int, given: Sequence[Position] | None) -> Sequence[Position]:
    seen = analysis.seen[key]
    shape = [n for n, axes in zip(seen.shape, seen.axes, strict=True) if axes]
    middle = tuple(n // 2 for n in shape)
    if given is None:
        next_to_it = tuple(min(i + 1, n - 1) for i, n in zip(middle, shape, strict=True))
        return list(dict.fromkeys([(0,) * len(shape), middle, next_to_it, tuple(n - 1 for n in shape)]))
    return [tuple(position) for position in given] if shape else [()]


def _index(analysis: Analysis, key: int, position: Position) -> tuple[Any, ...]:
    """Picks a position along the dims that have positions, and everything along the others."""
    rest = iter(position)
    return tuple(next(rest) if axes else slice(None) for axes in analysis.seen[key].axes)


def _check(
    analysis: Analysis, name: str, key: int, position: Position, theory: tuple[np.ndarray, bool], found: np.ndarray
) -> Check:
    counts, cut = theory
    seen, expected = found > 0, counts > 0
    return Check(
        name,
        position,
        int(seen.sum()),
        tuple(tuple(int(i) for i in p) for p in np.argwhere(seen & ~expected)),
        tuple(tuple(int(i) for i in p) for p in np.argwhere(expected & ~seen)),
        None if cut else _same_along_axes(analysis, key, position, seen),
    )


def _same_along_axes(analysis: Analysis, key: int, position: Position, seen: np.ndarray) -> bool | None:
    """Whether the fields of `analyze` are the shadows of what is seen; `None` where they don't say so much."""
    tensor = analysis.seen[key]
    at = dict(zip([axes for axes in tensor.axes if axes], position, strict=True))
    pairs = enumerate(zip(tensor.fields or (), seen.shape, strict=True))
    said = [found for axis, (field, n) in pairs if (found := _said(field, at.get((axis,)), n)) is not None]
    if len(said) < seen.ndim or (seen.ndim > 1 and _has_blanks(analysis, key)):
        return None
    shadows = (seen.any(axis=tuple(a for a in range(seen.ndim) if a != axis)) for axis in range(seen.ndim))
    return all(np.array_equal(a, b) for a, b in zip(said, shadows, strict=True))


def _has_blanks(analysis: Analysis, key: int) -> bool:
    """Whether outputs of some layer see nothing at all along one axis; then axis by axis is too much, see `analyze`."""
    fields = [field for seen in analysis.seen[: key + 1] for field in seen.fields or ()]
    return any(field.is_local and not all(map(len, field.paths)) for field in fields)


def _said(field: AxisField, position: int | None, length: int) -> np.ndarray | None:
    if math.isinf(field.size) or (position is None and field.advance):
        return None
    first, paths = field.at(position or 0)
    if first < 0 or first + len(paths) > length:
        return None
    expected = np.zeros(length, dtype=bool)
    expected[first : first + len(paths)] = paths > 0
    return expected


def _some(positions: Sequence[Position]) -> str:
    shown = ", ".join(str(p[0]) if len(p) == 1 else str(p) for p in positions[:4])
    return f"{len(positions):,}: {shown}{', …' if len(positions) > 4 else ''}" if positions else "–"
