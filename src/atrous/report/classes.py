"""What the pages of all classifiers share: confusion, figures of each class, and how a probability is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from atrous import plots
from atrous.report import embed
from atrous.report.facts import class_rows
from atrous.report.page import render

if TYPE_CHECKING:
    from markupsafe import Markup

_UNBALANCED = 2  # times as many test examples of one class as of another


def confusion_section(confusion: np.ndarray, class_names: Sequence[str]) -> Markup:
    """The section on who is taken for whom.

    Args:
        confusion: Counts, [true class][predicted class].
        class_names: In order.
    """
    names = tuple(class_names)
    matrix = _matrix(confusion, names)
    return render("atrous.report", "classes.html", matrix=matrix, classes=class_rows(confusion, names))


def balanced_fact(test: Mapping[str, Any]) -> list[dict[str, str]]:
    """The mean recall, where one class has so many more examples than another that accuracy says little of the latter."""
    examples = np.asarray(test["confusion"]).sum(axis=1)
    if "balanced_accuracy" not in test or examples.max() < _UNBALANCED * examples[examples > 0].min():
        return []
    note = "mean recall; classes are unbalanced"
    return [{"name": "Balanced accuracy", "value": f"{100 * test['balanced_accuracy']:.1f} %", "note": note}]


def percent(probability: float) -> str:
    """A probability for people.

    >>> percent(0.5), percent(0.999), percent(0.001)
    ('50 %', '> 99 %', '< 1 %')
    """
    if probability >= 0.995:
        return "> 99 %"
    return "< 1 %" if probability < 0.01 else f"{100 * probability:.0f} %"


def _matrix(confusion: np.ndarray, class_names: tuple[str, ...]) -> dict[str, Any]:
    """The drawing, with the widths in pixels between which it is shown."""
    axes = plots.confusion_matrix(confusion, class_names)
    right = np.trace(confusion) / max(confusion.sum(), 1)
    width = round(1.1 * axes.figure.bbox.width)
    return {
        "svg": embed.svg(
            axes,
            name="confusion",
            alt=f"Confusion matrix of {len(class_names)} classes; {100 * right:.1f} % of {confusion.sum():,} examples lie on "
            "the diagonal. The table below has the figures of each class.",
        ),
        "width": width,
        "least": min(width, 460),
    }
