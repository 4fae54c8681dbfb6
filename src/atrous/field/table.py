"""The report of `analyze` for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atrous.field.axis import shape_of

if TYPE_CHECKING:
    from atrous.field.report import LayerReport, Report


def report_table(report: Report) -> Any:
    """A row a layer, then the output and the warnings."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("layer", "type"):
        table.add_column(column, overflow="fold")
    for column in ("output", "field", "stride", "offset", "missed"):
        table.add_column(column, justify="right")
    for layer in report.layers:
        table.add_row(layer.name, type(layer.layer).__name__, *columns(layer))
    size = shape_of(report.features.local_size) if report.features.is_local else "everything"
    summary = f"{report.features.name} sees {size}, gridding {report.gridding:.2f}"
    return Group(table, Text(summary, style="bold"), *(Text(f"! {warning}", style="yellow") for warning in report.warnings))


def columns(layer: LayerReport) -> tuple[str, ...]:
    """Output shape, field, stride, offset and positions missed, as text."""
    if not layer.fields:
        return shape_of(layer.seen.shape), "–", "–", "–", "–"
    field = shape_of(layer.size)
    if layer.is_local and layer.size != layer.local_size:
        field = f"∞ ({shape_of(layer.local_size)})"
    stride = "×".join(f"{float(n):g}" for n in layer.stride)
    offset = "×".join(f"{n:g}" for n in layer.offset)
    holes = "×".join(str(len(positions)) for positions in layer.missed)
    return shape_of(layer.seen.shape), field, stride if layer.is_local else "–", offset if layer.is_local else "–", holes
