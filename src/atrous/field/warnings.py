"""What a practitioner would want to be told about a network before training it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from atrous.field import coverage
from atrous.field.axis import AxisField, shape_of
from atrous.field.graph import ASSUMED_LENGTH, Use
from atrous.field.seen import Seen
from atrous.spec import parse_integers

if TYPE_CHECKING:
    from atrous.field.analysis import Analysis

_PUBLISHED_PYRAMID = (6, 12, 18)  # Chen et al. 2017, arXiv:1706.05587: at output stride 16, doubled at 8


def warnings_of(analysis: Analysis, object_size: int | Sequence[int] | None = None) -> Iterator[str]:
    """Sentences, the most general first."""
    yield from _about_the_input(analysis)
    yield from _small_fields(analysis, object_size)
    yield from _gridding(analysis)
    for use in analysis.graph.uses:
        yield from _rate_beyond_the_map(use)
        yield from _misaligned(use, [analysis.seen[taken] for taken in use.inputs])
    yield from _pyramids(analysis)


def _about_the_input(analysis: Analysis) -> Iterator[str]:
    graph = analysis.graph
    if len(graph.inputs) > 1:
        others = [name for name in graph.inputs if name != analysis.input_name]
        yield f"Fields are those of input {analysis.input_name!r}; ask for {', '.join(map(repr, others))} with `input_name`."
    if graph.assumed:
        yield "The input's size is open: offsets hold for multiples of every stride. Give `input_shape` for other sizes."


def _small_fields(analysis: Analysis, object_size: int | Sequence[int] | None) -> Iterator[str]:
    last = _last_local(analysis)
    if last is None or last.fields is None:
        return
    output = analysis.seen[analysis.graph.outputs[0]]
    seen = tuple(field.local_size for field in last.fields)
    everywhere = output.fields is None or any(math.isinf(field.size) for field in output.fields)
    if not everywhere and any(n is not None and m < n for m, n in zip(seen, analysis.input_size, strict=True)):
        size = shape_of([math.inf if n is None else n for n in analysis.input_size])
        yield f"An output sees {shape_of(seen)} positions of the input's {size}."
    if object_size is not None:
        sizes = parse_integers("object_size", object_size, len(last.fields))
        if any(n < m for n, m in zip(seen, sizes, strict=True)):
            yield f"The field, {shape_of(seen)}, is smaller than the object, {shape_of(sizes)}."


def _last_local(analysis: Analysis) -> Seen | None:
    """The output, or the last tensor before it that still knows its place."""
    keys = [analysis.graph.outputs[0], *(use.outputs[0] for use in reversed(analysis.graph.uses))]
    return next((s for s in (analysis.seen[key] for key in keys) if s.fields and any(f.is_local for f in s.fields)), None)


def _gridding(analysis: Analysis) -> Iterator[str]:
    """Holes in what the output sees of the input; else those that the layers of one resolution leave on their own grid."""
    last = _last_local(analysis)
    if last is None or last.fields is None or last.near is None:
        return
    found = _holes(last.fields)
    if found:
        yield f"Gridding: an output never sees {found} positions inside its field of the input.{_remedy(analysis, last)}"
        return
    for at, seen in _ends_of_resolutions(analysis):
        found = _holes(seen.near or ())
        if found:
            yield (
                f"Gridding: in front of {at}, a position never sees {found} positions inside its field on the grid of its own "
                f"resolution; finer layers before it fill them in the input.{_remedy(analysis, seen)}"
            )


def _holes(fields: Sequence[AxisField]) -> str:
    worst = max(fields, key=lambda field: coverage.gridding(field.paths[field.widest]), default=None)
    if worst is None or not worst.is_local:
        return ""
    paths = worst.paths[worst.widest]
    holes = len(coverage.missed(paths))
    return f"{holes:,} of {len(paths):,}" if holes else ""


def _ends_of_resolutions(analysis: Analysis) -> Iterator[tuple[str, Seen]]:
    """Tensors that the next layer takes to another resolution, or pools away, and the outputs."""
    for use in analysis.graph.uses:
        for reads, taken in zip(zip(*(r.links for r in use.reads), strict=True), use.inputs, strict=True):
            seen = analysis.seen[taken]
            linked = {d: link.map for links in reads for link in links for d in link.out_of}
            moves = any(
                axes and (d not in linked or (linked[d].period, linked[d].advance) not in ((1, 1), (1, 0)))
                for d, axes in enumerate(seen.axes)
            )
            if seen.near is not None and moves:
                yield repr(use.name), seen
    for key in analysis.graph.outputs:
        yield "the output", analysis.seen[key]


def _remedy(analysis: Analysis, seen: Seen) -> str:
    """A rate list without holes, where the layers that made `seen` at its resolution follow each other."""
    stack = _stack_behind(analysis, seen)
    if stack is None or len({kernel for kernel, _ in stack}) != 1:
        return ""
    from atrous.schedules import gridding_free

    kernel, rates = stack[0][0], tuple(rate for _, rate in stack)
    better = tuple(gridding_free(rates, kernel))
    if better == rates:
        return ""
    size = 1 + (kernel - 1) * sum(better)
    return f" At the same depth, rates {better} in place of {rates} see {size:,} positions without holes."


def _stack_behind(analysis: Analysis, seen: Seen) -> list[tuple[int, int]] | None:
    """Kernel size and rate along the worst axis, first to last, of the chain back to the last change of resolution."""
    makers = {made: use for use in analysis.graph.uses for made in use.outputs}
    key = next(key for key, s in enumerate(analysis.seen) if s is seen)
    axis = max(range(len(seen.near or ())), key=lambda a: coverage.gridding((seen.near or ())[a].paths[0]))
    stack = []
    while key in makers:
        use = makers[key]
        (key, *others) = use.inputs
        if others:
            return None
        dim = analysis.seen[key].dim_of(axis)
        kernel, rate, stride = _geometry(use, dim)
        if stride != 1:
            break
        if kernel > 1:
            stack.append((kernel, rate))
    return list(reversed(stack)) or None


def _geometry(use: Use, dim: int | None) -> tuple[int, int, Any]:
    """Kernel size, rate and stride with which a layer of one input reads along a dim."""
    link = next((link for link in use.reads[0].links[0] if link.out_of == (dim,)), None)
    if link is None or link.map.period != 1:
        return 1, 1, None
    taps = link.map.taps[0]
    return len(taps), (taps[1] - taps[0] if len(taps) > 1 else 1), link.map.advance


def _rate_beyond_the_map(use: Use) -> Iterator[str]:
    rates = getattr(use.layer, "dilation_rate", None)
    kernel = getattr(use.layer, "kernel_size", None)
    if rates is None or kernel is None or not use.call.shapes:
        return
    rates = (rates,) * len(use.call.space) if isinstance(rates, int) else tuple(rates)
    for n, k, rate in zip(use.call.sizes, kernel, rates, strict=False):
        if k > 1 and rate > 1 and rate >= n and n != ASSUMED_LENGTH:
            yield (
                f"Layer {use.name!r}: rate {rate} reaches beyond its {shape_of(use.call.sizes)} map: only the middle one of "
                f"{k} taps meets data."
            )
            return


def _misaligned(use: Use, inputs: Sequence[Seen]) -> Iterator[str]:
    local = [seen for seen in inputs if seen.fields and all(field.is_local for field in seen.fields)]
    if len(local) < 2:
        return
    for axis in range(len(local[0].fields or ())):
        fields = [seen.fields[axis] for seen in local if seen.fields]
        fields = [field for field in fields if field.stride]  # one that doesn't move, a picked position, is beside the others
        strides = {field.stride for field in fields}
        if len(fields) < 2:
            continue
        if len(strides) > 1:
            yield f"Layer {use.name!r}: its branches have different strides along axis {axis}: {_listed(strides)}."
            return
        ends = ([f.center for f in fields], [f.first[0] for f in fields], [f.first[0] + len(f.paths[0]) for f in fields])
        if all(len(set(end)) > 1 for end in ends):  # same middles, or the same first or last positions as in causal networks
            yield (
                f"Layer {use.name!r}: its branches are not aligned along axis {axis}: their fields are centred on "
                f"{_listed({f.center for f in fields})}."
            )
            return


def _listed(numbers: set[Any]) -> str:
    return ", ".join(f"{float(n):g}" for n in sorted(numbers))


def _pyramids(analysis: Analysis) -> Iterator[str]:
    """Parallel rates that were published for another output stride."""
    branches: dict[int, list[int]] = defaultdict(list)
    for use in analysis.graph.uses:
        rates = getattr(use.layer, "dilation_rate", None)
        if isinstance(rates, tuple) and max(rates) > 1 and len(use.inputs) == 1:
            branches[use.inputs[0]].append(max(rates))
    for key, found in branches.items():
        rates = sorted(found)
        fields = analysis.seen[key].fields
        if fields is None or any(
            a * rates[0] != b * _PUBLISHED_PYRAMID[0] for a, b in zip(_PUBLISHED_PYRAMID, rates, strict=False)
        ):
            continue
        stride = float(fields[0].stride)
        fitting = [int(rate * 16 / stride) for rate in _PUBLISHED_PYRAMID] if stride else rates
        if len(rates) == len(fitting) and rates != fitting:
            yield f"Parallel rates {tuple(rates)} are not those published for output stride {stride:g}: {tuple(fitting)}."
