"""What all tasks that name one class an example share: figures, weights of classes, predictions.

Their part of the page is in `atrous.report.classes`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from atrous.run import replacing

_LARGEST_WEIGHT = 10.0  # of a class; a rarer one would make steps depend on a few examples


def figures(probabilities: ArrayLike, labels: ArrayLike, class_names: Sequence[str]) -> dict[str, Any]:
    """How well classes were told.

    Args:
        probabilities: (n, classes), of each example.
        labels: (n,), its true class.
        class_names: Of the classes, in order.

    Returns:
        `examples`, `loss` (cross-entropy, mean), `accuracy` (0..1), `balanced_accuracy` (the mean of the recalls of the classes
        that there are examples of: Brodersen et al. 2010, doi 10.1109/ICPR.2010.764), `macro_f1` (the mean of 2·hits / (true +
        predicted) over the classes that were there or were predicted), `confusion`, [true class][predicted class], and
        `classes`: for each name its number of `examples`, `recall` and `precision`, `None` where there was nothing to count.
    """
    said, truth = np.asarray(probabilities, np.float64), np.asarray(labels, np.int64)
    predicted = said.argmax(axis=1)
    of_truth = said[np.arange(len(truth)), truth]
    confusion = np.zeros((len(class_names),) * 2, np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    hits, true, told = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    return {
        "examples": len(truth),
        "loss": float(-np.log(np.maximum(of_truth, keras.config.epsilon())).mean()),
        "accuracy": float((truth == predicted).mean()),
        "balanced_accuracy": float((hits[true > 0] / true[true > 0]).mean()),
        "macro_f1": float((2 * hits[true + told > 0] / (true + told)[true + told > 0]).mean()),
        "confusion": confusion.tolist(),
        "classes": {
            name: {"examples": int(of), "recall": _share(hit, of), "precision": _share(hit, to)}
            for name, hit, of, to in zip(class_names, hits, true, told, strict=True)
        },
    }


def balanced(labels: ArrayLike, classes: int) -> NDArray[np.float64]:
    """What an example of each class counts: n / (classes · examples of the class), 1 in the mean; at most 10."""
    counts = np.bincount(np.asarray(labels, np.int64), minlength=classes)
    weights: NDArray[np.float64] = np.minimum(counts.sum() / (classes * np.maximum(counts, 1)), _LARGEST_WEIGHT)
    return weights


@dataclass(frozen=True)
class ClassPrediction:
    """What a model says of an example.

    Args:
        file: The file, or what else the example is called.
        class_name: The most probable class; `None` if the file could not be read.
        probability: Of that class, 0..1.
        error: Why the file could not be read.
        top: The most probable classes, each with its probability, if they were asked for.
    """

    file: str
    class_name: str | None = None
    probability: float | None = None
    error: str | None = None
    top: tuple[tuple[str, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """File, class, probability and, if asked for, `top`; or why there is none."""
        if self.error is not None:
            return {"file": self.file, "error": self.error}
        top = [{"class": name, "probability": probability} for name, probability in self.top]
        return {"file": self.file, "class": self.class_name, "probability": self.probability, **({"top": top} if top else {})}


def predicted(file: str, row: ArrayLike, class_names: Sequence[str], top: int = 0) -> ClassPrediction:
    """The prediction that probabilities stand for.

    Args:
        file: What the example is called.
        row: (classes,), its probabilities.
        class_names: Of the classes, in order.
        top: How many of the most probable classes are told beside the first; 0: none.
    """
    probabilities = np.asarray(row)
    order = np.argsort(-probabilities, kind="stable")
    ranked = tuple((class_names[i], float(probabilities[i])) for i in order[: max(1, top)])
    return ClassPrediction(file, *ranked[0], top=ranked if top else ())


def write_predictions(predictions: Sequence[ClassPrediction], output: Path, top: int = 0) -> None:
    """Writes a CSV file, a row an example: its classes from the most probable on, or why there are none.

    Args:
        predictions: In order.
        output: The file, if it ends in .csv; else a folder, for `predictions.csv`.
        top: As of `predicted`.

    Raises:
        OSError: Nothing can be written there.
    """
    columns = max(1, top)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    numbered = [f"{name}{'' if i == 1 else f'_{i}'}" for i in range(1, columns + 1) for name in ("class", "probability")]
    writer.writerow(["file", *numbered, "error"])
    for each in predictions:
        ranked = each.top or (((each.class_name, each.probability),) if each.error is None else ())
        found = [cell for pair in ranked for cell in pair]
        writer.writerow([each.file, *found, *[""] * (2 * columns - len(found)), each.error or ""])
    with replacing(output if output.suffix == ".csv" else output / "predictions.csv") as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def _share(hits: int, total: int) -> float | None:
    return float(hits / total) if total else None
