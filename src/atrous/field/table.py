"""The report of `analyze` for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from atrous.field.axis import shape_of

if TYPE_CHECKING:
    from atrous.field.report import LayerReport, Report


def report_table(report: Report, every_layer: bool = False) -> Any:
    """A row a layer, then what the output sees, then the warnings.

    Args:
        report: What was found.
        every_layer: Layers behind which nothing is new, such as activations, too.
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("layer", overflow="fold")
    table.add_column("type", overflow="fold")
    table.add_column("rate", justify="right")
    for column in ("output", "field", "stride", "starts at", "missed"):
        table.add_column(column, justify="right", no_wrap=True)
    rows = list(report.layers) if every_layer else list(_telling(report.layers))
    for layer in rows:
        style = "bold" if max(rates_of(layer.layer), default=1) > 1 else None
        table.add_row(
            layer.name, type(layer.layer).__name__, _rate(layer.layer), *columns(layer, report.input_size), style=style
        )
    left_out = len(report.layers) - len(rows)
    layers = "1 layer in which nothing changes is" if left_out == 1 else f"{left_out} layers in which nothing changes are"
    notes = [f"{layers} left out."] if left_out else []
    return Group(
        Text(f"{report.model}: what an output position sees of {report.input_name!r}, in its positions", style="bold"),
        table,
        *(Text(note, style="dim") for note in notes),
        Text(summary(report), style="bold"),
        *(Text(f"• {warning}", style="yellow") for warning in report.warnings),
    )


def summary(report: Report) -> str:
    """One sentence on the output, or on the last layer that still knows its place."""
    last = report.features
    if not last.is_local:
        return "The output sees the whole input."
    name = "The output" if last is report.output else f"{last.name!r}, the last layer that knows its place,"
    stride = "×".join(f"{float(n):g}" for n in last.stride)
    return f"{name} sees {shape_of(last.local_size)} at stride {stride}; gridding {report.gridding:.2f}."


def columns(layer: LayerReport, input_size: Sequence[int | None]) -> tuple[str, ...]:
    """Output shape, field, stride, first position and positions missed, as text."""
    output = _shape(layer, input_size)
    if not layer.fields:
        return output, "–", "–", "–", "–"
    field = shape_of(layer.size)
    if not layer.is_local:
        return output, field, "–", "–", "–"
    if layer.size != layer.local_size:
        field = f"∞ ({shape_of(layer.local_size)})"
    stride = _one("×", [f"{float(n):g}" for n in layer.stride])
    starts = _one(", ", [str(axis.first[0]) for axis in layer.fields])
    holes = _one("×", [str(len(positions)) for positions in layer.missed])
    return output, field, stride, starts, holes if holes != "0" else ""


def _shape(layer: LayerReport, input_size: Sequence[int | None]) -> str:
    """The output's shape; "any" where it follows an open length of the input."""
    dims = zip(layer.seen.shape, layer.seen.axes, strict=True)
    return "×".join("any" if any(input_size[axis] is None for axis in axes) else f"{n:,}" for n, axes in dims)


def rates_of(layer: Any) -> tuple[int, ...]:
    """A layer's dilation rates; none if it has no kernel."""
    rates = getattr(layer, "dilation_rate", ())
    return (rates,) if isinstance(rates, int) else tuple(rates)


def _rate(layer: Any) -> str:
    rates = rates_of(layer)
    return _one("×", list(map(str, rates))) if max(rates, default=1) > 1 else ""


def _one(between: str, numbers: Sequence[str]) -> str:
    """The number, if all are the same, else all."""
    return numbers[0] if len(set(numbers)) == 1 else between.join(numbers)


def _telling(layers: Sequence[LayerReport]) -> Iterator[LayerReport]:
    """Layers whose field isn't that of the one before, or that look beyond one position."""
    before: tuple[Any, ...] = ()
    for layer in layers:
        facts = layer.size, layer.local_size, layer.stride, layer.offset
        if facts != before or max(getattr(layer.layer, "kernel_size", (1,))) > 1:
            yield layer
        before = facts
