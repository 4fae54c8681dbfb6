"""The choice of tiles for a model and the size of an image, and the passes over them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np

from atrous.field.graph import graph_of
from atrous.models.labels import ClassLabels
from atrous.parts.part import CannotCutError, Span
from atrous.spec import parse_integers
from atrous.tiled import images, journal
from atrous.tiled.functions import Functions, check
from atrous.tiled.grids import Grid, grid_of, image_steps, is_regular
from atrous.tiled.memory import parse_bytes, walk_bytes
from atrous.tiled.passes import Plan, Reduction, known_after, plan_of
from atrous.tiled.results import Result, result_of
from atrous.tiled.targets import Target, target_of
from atrous.tiled.walks import walk_back

Told = Callable[["Tiling", int, int], None]
"""Is told of a tiling which pass, from 0, and how many of its tiles are done."""


@dataclass
class Tiling:
    """How a model is computed on an image of some size, tile by tile: what `plan` returns.

    Args:
        model: The model.
        plan: Of its layers and passes.
        tile: Size of a tile along each dim of space, in positions of the image.
        bytes: That a process will take beyond what it took after `import keras`, at most: the model, a tile's
            tensors, and the backend's own.
        memory: Bytes that were given.
        approximate: Names of layers that read whole images, and here what is there of a tile.
    """

    model: Any
    plan: Plan
    tile: tuple[int, ...]
    bytes: int
    memory: int
    approximate: tuple[str, ...] = ()

    @cached_property
    def grids(self) -> list[Grid]:
        """The tiles of each pass."""
        return [grid_of(self.plan, step.target, self._by_dim) for step in self.plan.passes]

    @property
    def _by_dim(self) -> dict[int, int]:
        return dict(zip(self.plan.origins[self.plan.image], self.tile, strict=True))

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Of the image, channels among it."""
        return self.plan.graph.shapes[self.plan.image]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the model's output, without batch axis."""
        return self.plan.graph.shapes[self.plan.output]

    @property
    def passes(self) -> int:
        """Walks over the image: one, and one more for each tensor that is reduced over the whole image."""
        return len(self.plan.passes)

    @property
    def tiles(self) -> int:
        """Tiles of all passes."""
        return sum(map(len, self.grids))

    @property
    def halo(self) -> tuple[tuple[int, int], ...]:
        """Positions of the image read before and behind a tile of the output, along each dim: the most, over all tiles."""
        found = dict.fromkeys(self._by_dim, (0, 0))
        for d, spans in self._read.items():
            before = (first - read_first for (first, _), (read_first, _) in spans)
            behind = (read_last - last for (_, last), (_, read_last) in spans)
            found[d] = max(math.ceil(max(before)), 0), max(math.ceil(max(behind)), 0)
        return tuple(found.values())

    @property
    def overlap(self) -> float:
        """How often a position of the image is read in the last pass, on the whole: 1 would be without halo."""
        lengths = ((sum(last - first for _, (first, last) in spans), self.image_shape[d]) for d, spans in self._read.items())
        return math.prod(read / length for read, length in lengths)

    @cached_property
    def _read(self) -> dict[int, list[tuple[tuple[float, float], Span]]]:
        """For each dim of the image, along a row of tiles: where a tile of the output lies in the image, and what it reads."""
        known, grid = known_after(self.plan, self.plan.passes[:-1]), self.grids[-1]
        found, steps = {}, image_steps(self.plan, grid.target)
        for of_output, d in self.plan.origins[grid.target].items():
            scale = float(steps.get(d, 1))
            tiles = [(want[of_output], walk_back(self.plan, grid.target, want, known)) for want in grid.along(of_output)]
            spans = [(want, walk.wants.get(self.plan.image, {}).get(d)) for want, walk in tiles]
            found[d] = [((want[0] * scale, want[1] * scale), span) for want, span in spans if span is not None]
        return {d: spans for d, spans in found.items() if spans}

    def run(
        self,
        image: Any,
        *,
        out: Any = None,
        dtype: Any = None,
        activation: str | None = None,
        told: Told | None = None,
        resume: bool = True,
        source: Any = None,
    ) -> Any:
        """Computes: see `predict`.

        Args:
            image: An array of `image_shape`.
            out: As for `predict`.
            dtype: As for `predict`.
            activation: As for `predict`.
            told: Is called before the first tile, and behind each.
            resume: As for `predict`.
            source: The path that the image was read from, if it was: going on asks whether the file is the same.
        """
        if tuple(image.shape) != self.image_shape:
            raise ValueError(f"`image` must have shape {self.image_shape}. Received: image.shape={tuple(image.shape)}.")
        cut = sorted(self.plan.origins[self.plan.output])
        result = result_of(self.output_shape, cut, dtype, activation, _palette(self.model))

        def facts() -> journal.Facts:
            return {
                "model": journal.model_hash(self.model, self.plan.graph),
                "image": journal.image_facts(image, source),
                "tile": self.tile,
                "result": f"{result.dtype} {activation} {'approximate' if self.approximate else 'exact'}",
            }

        with target_of(out, result, facts, resume, self.memory) as target:
            self._passes(image, target, result, told or (lambda *_: None))
        return target.result()

    def _passes(self, image: Any, target: Target, result: Result, told: Told) -> None:
        at, first, sums = target.begun
        reductions: list[Reduction] = []
        values: dict[int, np.ndarray] = {}
        for number, (step, grid) in enumerate(zip(self.plan.passes, self.grids, strict=True)):
            known = known_after(self.plan, self.plan.passes[:number])
            mine = [self._reduction(place, sums) for place in step.reductions]
            is_last = number == self.passes - 1
            recurring = len(grid) > 3 ** len(grid.counts) and is_regular(self.plan, grid)
            finish = result.finish if is_last else lambda x: x
            make = Functions(self.plan, step.target, known, values, finish, recurring)
            reductions += mine
            begin = len(grid) if number < at else first if number == at else 0
            told(self, number, begin)
            for tile in range(begin, len(grid)):
                want = grid[tile]
                part = make(image, want)
                if is_last:
                    target.put(part[0], tuple(slice(*want.get(d, (0, self.output_shape[d]))) for d in result.dims))
                for reduction in mine:
                    reduction.add(part, want)
                images.drop_pages(image)
                del part
                target.done(number, tile + 1, [r.state for r in reductions])
                told(self, number, tile + 1)
            for reduction in mine:
                values[reduction.use.outputs[0]] = reduction.result(self._dtype(reduction.use))

    def _reduction(self, place: int, sums: list[np.ndarray]) -> Reduction:
        use = self.plan.graph.uses[place]
        reduction = Reduction(use, self.plan.reduced[place], self.plan.graph.shapes[use.inputs[0]])
        if sums:
            reduction.state = sums.pop(0)
        return reduction

    @staticmethod
    def _dtype(use: Any) -> str:
        """That a reduction computes in."""
        given = keras.tree.flatten((use.call.args, dict(use.call.kwargs)))
        return str(next(keras.backend.standardize_dtype(x.dtype) for x in given if isinstance(x, keras.KerasTensor)))


def plan(
    model: Any,
    image_shape: Sequence[int],
    *,
    tile: int | Sequence[int] | None = None,
    memory: int | str = "1GB",
    approximate: bool = False,
) -> Tiling:
    """Decides how a model is computed on an image of some size, tile by tile; nothing is computed.

    Args:
        model: As for `predict`.
        image_shape: Of the image, without batch axis.
        tile: As for `predict`.
        memory: As for `predict`.
        approximate: As for `predict`.

    Returns:
        The tiling: `tile`, `tiles`, `halo`, `passes`, `bytes`; its `run` is what `predict` does.

    Raises:
        ValueError: An argument breaks its rule, a layer can't be computed by tiles, or no tile is small enough.
    """
    budget = parse_bytes(memory)
    if not isinstance(model, keras.Layer):
        raise ValueError(f"`model` must be a keras.Model; `keras.models.load_model` reads one. Received: model={model!r}.")
    graph = graph_of(model, _checked_shape(model, image_shape))
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError(
            "`model` must have one input and one output: `keras.Model(model.input, model.get_layer(name).output)` makes one. "
            f"Received: {model.name!r} with {len(graph.inputs)} and {len(graph.outputs)}."
        )
    try:
        found = plan_of(graph, approximate)
    except CannotCutError as error:
        more = "" if approximate else " With `approximate=True` it would read what is there of each tile, if it can"
        raise ValueError(f"`model` must be computed by tiles, and {error}.{more}.") from error
    found.dtype = _input_dtype(model)
    tiling = Tiling(model, found, (), 0, budget, tuple(graph.uses[at].name for at in sorted(found.loose)))
    if tile is None:
        tiling.tile, tiling.bytes = _largest(tiling, budget)
    else:
        lengths = [tiling.image_shape[d] for d in found.origins[found.image]]
        sizes = parse_integers("tile", tile, len(lengths))
        tiling.tile = tuple(min(n, size) for n, size in zip(lengths, sizes, strict=True))
        tiling.bytes = _bytes(tiling)
    tiling = dataclasses.replace(tiling, tile=_rounded(tiling))
    _check_layers(tiling)
    return tiling


def _checked_shape(model: Any, image_shape: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(int(n) for n in image_shape)
    own = getattr(model, "input_shape", None)
    if isinstance(own, tuple) and own and not isinstance(own[0], tuple):
        fits = len(shape) == len(own) - 1 and all(m in (None, n) for m, n in zip(own[1:], shape, strict=True))
        if not fits:
            raise ValueError(
                f"`image` must be of a shape that the model takes, {own[1:]}, without a batch axis: for several, call once for "
                f"each. Received: image.shape={shape}."
            )
    if not all(shape):
        raise ValueError(f"`image` must not be empty. Received: image.shape={shape}.")
    return shape


def _input_dtype(model: Any) -> str:
    inputs = getattr(model, "inputs", None)
    return str(inputs[0].dtype if inputs else keras.config.floatx())


def _largest(tiling: Tiling, budget: int) -> tuple[tuple[int, ...], int]:
    """The largest tile, of equal sides where the image is that long, that the memory is enough for."""
    lengths = [tiling.image_shape[d] for d in tiling.plan.origins[tiling.plan.image]]

    def cut(side: int) -> Tiling:
        return dataclasses.replace(tiling, tile=tuple(min(n, side) for n in lengths))

    low, high = 1, max(lengths)
    if _bytes(cut(high)) <= budget:
        return cut(high).tile, _bytes(cut(high))
    if (least := _bytes(cut(low))) > budget:
        raise ValueError(
            f"`memory` must be at least {least / 1e6:,.0f} MB, which the smallest tile of {tiling.model.name!r} takes. "
            f"Received: {budget / 1e6:,.0f} MB."
        )
    while high - low > max(low // 32, 1):
        middle = (low + high) // 2
        low, high = (middle, high) if _bytes(cut(middle)) <= budget else (low, middle)
    return cut(low).tile, _bytes(cut(low))


def _rounded(tiling: Tiling) -> tuple[int, ...]:
    """The tile as it is in the last pass, where tiles are made equal and begin at whole periods."""
    plan, grid = tiling.plan, tiling.grids[-1]
    sizes = tiling._by_dim
    for d, of_image in plan.origins[grid.target].items():
        sizes[of_image] = -(-grid.sizes[d] * tiling.image_shape[of_image] // tiling.output_shape[d])
    return tuple(sizes.values())


def _bytes(tiling: Tiling) -> int:
    """What a tile takes, in the pass in which it takes most."""
    plan, found = tiling.plan, []
    for number, (step, grid) in enumerate(zip(plan.passes, tiling.grids, strict=True)):
        walk = walk_back(plan, step.target, grid.middle, known_after(plan, plan.passes[:number]))
        found.append(walk_bytes(plan, walk, tiling.model))
    return max(found)


def _check_layers(tiling: Tiling) -> None:
    """Finds layers that can't be computed on parts before anything is computed."""
    plan = tiling.plan
    for number, (step, grid) in enumerate(zip(plan.passes, tiling.grids, strict=True)):
        known = known_after(plan, plan.passes[:number])
        try:
            check(plan, step.target, grid.middle, known)
        except CannotCutError as error:
            raise ValueError(f"`model` must be computed by tiles, and {error}.") from error


def _palette(model: keras.Model) -> Sequence[Sequence[int]]:
    """The colours of a segmenter's classes."""
    return next((layer.palette for layer in model.layers if isinstance(layer, ClassLabels)), ())
