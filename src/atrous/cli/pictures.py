"""What `atrous inspect --plots` draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw(report: Any, cost: Any, folder: Path) -> list[Path]:
    """Draws field, coverage and, where the cost is known, memory.

    Args:
        report: Of `field.analyze`.
        cost: Of `field.budget`, or `None`.
        folder: Where to; made if it isn't there. Files of the same names are replaced.

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
    profiles = report.features.paths
    if report.features.is_local:
        drawn["coverage.png"] = (
            plots.coverage_map(profiles[0][:, None] * profiles[1][None, :])
            if len(profiles) == 2
            else plots.path_profile(profiles[0], report.features.fields[0].first[0])
        )
    if cost is not None:
        rows = [row for row in cost.layers if row.activation_bytes]
        drawn["memory.png"] = plots.memory_by_layer([row.name for row in rows], [row.activation_bytes for row in rows])
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(axes, folder / name) for name, axes in drawn.items()]


def _write(axes: Any, path: Path) -> Path:
    beside = path.with_suffix(".part.png")
    axes.figure.savefig(beside, dpi=120, facecolor="white")
    beside.replace(path)
    return path
