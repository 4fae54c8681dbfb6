"""What `atrous inspect --plots` draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw(model: Any, report: Any, cost: Any, folder: Path, shape: Any = None) -> list[Path]:
    """Draws field, coverage and, where the cost is known, memory.

    Args:
        model: The model.
        report: Of `field.analyze`.
        cost: Of `field.budget`, or `None`.
        folder: Where to; made if it isn't there. Files of the same names are replaced.
        shape: Of the input, where the model leaves it open.

    Returns:
        The files.
    """
    from atrous import plots

    drawn = {}
    local = [layer for layer in report.layers if layer.is_local]
    drawn["field.png"] = plots.field_growth(
        [layer.name for layer in local],
        [max(layer.size) for layer in local],
        input_size=max((n for n in report.input_size if n is not None), default=None),
    )
    if report.features.is_local:
        drawn["coverage.png"] = _coverage(model, report, shape)
    if cost is not None:
        rows = [row for row in cost.layers if row.activation_bytes]
        drawn["memory.png"] = plots.memory_by_layer([row.name for row in rows], [row.activation_bytes for row in rows])
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(axes, folder / name) for name, axes in drawn.items()]


def _coverage(model: Any, report: Any, shape: Any) -> Any:
    """Of an image of known size, what the middle position sees, exactly; else the paths along the first axis."""
    from atrous import plots
    from atrous.field.reach import reach

    last = report.features
    if len(last.fields) != 2 or None in report.input_size:
        return plots.path_profile(last.paths[0], last.fields[0].first[0])
    counts = reach(model, layer=None if last is report.output else last.name, input_shape=shape)
    (top, bottom), (left, right) = ((seen.min(), seen.max()) for seen in counts.nonzero())
    return plots.coverage_map(counts[top : bottom + 1, left : right + 1], offset=(int(top), int(left)))


def _write(axes: Any, path: Path) -> Path:
    beside = path.with_suffix(".part.png")
    axes.figure.savefig(beside, dpi=120, facecolor="white")
    beside.replace(path)
    return path
