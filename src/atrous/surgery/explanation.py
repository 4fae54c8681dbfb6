"""What `explain` answers: a row a convolution, shown as a table."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Shape = tuple[int | None, ...]

WIDTH = 128  # of the table as text, in characters
COLUMNS = ("layer", "class", "convolution", "output", "path", "algorithm", "multiply-adds")
UNITS = ("", " k", " M", " G", " T")


@dataclass(frozen=True)
class Row:
    """One convolution of a model, at one size of its input.

    Args:
        layer: The layer's name; of a separable layer, with the part.
        kind: The layer's class, such as "atrous.layers.Conv2D".
        geometry: Such as "3×3 rate 6 same".
        input_shape: Of its input, batch included, in the layer's own layout; `None` where that isn't known.
        output_shape: Of its output.
        native: Whether the native core computes it.
        why: What decided that.
        plans: What the core does in each direction ("forward", "input_gradient", "kernel_gradient"): algorithm, isa, threads,
            workspace in bytes, dense_macs (multiply-adds, padding included), valid_macs (those that meet data). Empty on the
            stock path, and where sizes are not known.
    """

    layer: str
    kind: str
    geometry: str
    input_shape: Shape | None
    output_shape: Shape | None
    native: bool
    why: str
    plans: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Explanation:
    """What `explain` found: print it, or use its rows.

    Args:
        rows: A row a convolution, in the order in which they run.
        notes: What holds for all of them, a sentence each.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        from rich.console import Console

        text = io.StringIO()
        Console(file=text, width=WIDTH).print(self)
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

    __repr__ = __str__

    def __rich__(self) -> Any:
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD)
        for column in COLUMNS:
            table.add_column(column, justify="right" if column.startswith("multiply") else "left", overflow="fold")
        reasons = list(dict.fromkeys(row.why for row in self.rows if not row.native))
        for row in self.rows:
            table.add_row(*map(Text, _cells(row, reasons)))
        footnotes = [f"[{number}] {reason[0].upper()}{reason[1:]}." for number, reason in enumerate(reasons, 1)]
        return Group(table, *map(Text, (*footnotes, *self.notes)))


def _cells(row: Row, reasons: Sequence[str]) -> list[str]:
    macs = next(iter(row.plans.values()), None)
    return [
        row.layer,
        row.kind.replace(".layers.", " "),
        row.geometry,
        "" if row.output_shape is None else "×".join(map(str, row.output_shape)),
        "native" if row.native else f"stock [{reasons.index(row.why) + 1}]",
        ", ".join(dict.fromkeys(str(plan["algorithm"]) for plan in row.plans.values())),
        "" if macs is None else f"{_short(macs['valid_macs'])} ({macs['valid_macs'] / max(macs['dense_macs'], 1):.0%})",
    ]


def _short(number: float) -> str:
    """Such as 38.7 M."""
    thousands = min(int(math.log10(max(number, 1) * 1.001) // 3), len(UNITS) - 1)
    return f"{number / 1000**thousands:.3g}{UNITS[thousands]}"
