"""A `Budget` for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from atrous.field.axis import shape_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from atrous.field.budgeting import Budget
    from atrous.field.memory import Memory

_UNITS = ("", " k", " M", " G", " T")


def table(budget: Budget) -> RenderableType:
    """A row a layer, then the sums, memory, and what would save some of it."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rows = Table(box=box.SIMPLE_HEAD, show_footer=True)
    columns = ("layer", "type", "output", "parameters", "multiply-adds", "padding", "activations")
    sums = (
        "", "", "", f"{budget.parameters:,}", figures(budget.valid_macs), padding(budget.dense_macs, budget.valid_macs),
        binary(sum(row.activation_bytes for row in budget.layers)),
    )  # fmt: skip
    for column, total in zip(columns, sums, strict=True):
        rows.add_column(column, total, justify="left" if column in ("layer", "type") else "right", overflow="fold")
    for row in budget.layers:
        unknown = row.dense_macs is None or row.valid_macs is None
        rows.add_row(
            row.name,
            row.type,
            shape_of(row.output_shape),
            f"{row.parameters:,}" if row.parameters else "",
            "unknown" if unknown else figures(row.valid_macs or 0) if row.dense_macs else "",
            "" if unknown or not row.dense_macs else padding(row.dense_macs or 0, row.valid_macs or 0),
            binary(row.activation_bytes),
        )
    return Group(rows, *(Text(line) for line in lines(budget)))


def lines(budget: Budget) -> Iterator[str]:
    """What stands below the table."""
    precision = "mixed precision" if budget.mixed_precision else "float32"
    yield f"A batch of {budget.batch_size}, {precision}:"
    yield f"  inference  {memory(budget.inference)}"
    yield f"  training   {memory(budget.training)}, {budget.optimizer}"
    if budget.streaming_bytes is not None:
        yield f"  streamed   {binary(budget.streaming_bytes)} of ring buffers, sample by sample"
    else:
        yield f"  not streamed: {budget.streaming_obstacle}"
    if budget.ram is not None:
        largest = f"inference {budget.largest_inference_batch}, training {budget.largest_training_batch}"
        yield f"Largest batch in {binary(budget.ram)}: {largest}"
    for way in budget.savings:
        saved = f"training {signed(way.training_bytes, binary)}, inference {signed(way.inference_bytes, binary)}"
        work = f", multiply-adds {signed(way.macs, figures)}" if way.macs else ""
        weights = f", parameters {signed(way.parameters, figures)}" if way.parameters else ""
        yield f"{way.name} ({way.policy}): {saved}{work}{weights}"
    if budget.unknown:
        yield f"! Multiply-adds are not known, and missing from the sum: {', '.join(budget.unknown)}"


def memory(found: Memory) -> str:
    """The total and its parts."""
    parts = {
        "weights": found.weights,
        "optimizer": found.slots,
        "kept": found.saved,
        "passing": found.passing,
        "unused": found.unused,
        "TensorFlow": found.framework,
    }
    return f"{binary(found.total)}: " + ", ".join(f"{name} {binary(size)}" for name, size in parts.items() if size)


def binary(size: float) -> str:
    """Bytes in powers of 1024, three figures."""
    power = min(int(math.log(max(abs(size), 1), 1024)), 4)
    value = size / 1024**power
    digits = 0 if power == 0 or abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"


def figures(number: float) -> str:
    """A count with three figures."""
    power = min(int(math.log(max(abs(number), 1), 1000)), 4)
    value = number / 1000**power
    digits = 0 if power == 0 or abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}{_UNITS[power]}"


def signed(saved: float, text: Any) -> str:
    """What a number becomes less or more by."""
    return "as it is" if saved == 0 else f"−{text(saved)}" if saved > 0 else f"+{text(-saved)}"


def padding(dense: int, valid: int) -> str:
    """Share of the multiply-adds that meet padding."""
    return f"{1 - valid / dense:.0%}" if dense else ""
