"""The figures of a run, as text for the head of the page and the table of classes."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from atrous.run import Config, Run


_NAMES = {
    "deeplab_v3": "DeepLab v3",
    "deeplab_v3_plus": "DeepLab v3+",
    "gru": "GRU",
    "lstm": "LSTM",
    "splicenet": "SpliceNet",
    "tcn": "TCN",
    "wavenet": "WaveNet",
}


def duration(seconds: float) -> str:
    """A time as people say it, in two units at most.

    >>> duration(75.2), duration(4000)
    ('1 min 15 s', '1 h 7 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def class_rows(confusion: np.ndarray, class_names: tuple[str, ...]) -> list[dict[str, str]]:
    """Accuracy of each class and what it is most often taken for, the lowest first; classes without examples last."""
    rows = []
    for index in _by_accuracy(confusion):
        row, examples = confusion[index], int(confusion[index].sum())
        mistakes = np.where(np.arange(len(row)) == index, 0, row)
        share = 100 * row[index] / examples if examples else 0.0
        worst = int(mistakes.argmax())
        rows.append(
            {
                "name": class_names[index],
                "accuracy": f"{share:.1f} %" if examples else "–",
                "percent": f"{share:.1f}",
                "examples": f"{examples:,}",
                "confused": f"{class_names[worst]} ({mistakes[worst]:,})" if mistakes[worst] else "–",
            }
        )
    return rows


def _by_accuracy(confusion: np.ndarray) -> list[int]:
    examples = confusion.sum(axis=1)
    share = np.where(examples > 0, np.diag(confusion) / np.maximum(examples, 1), 2.0)
    return [int(index) for index in np.argsort(share, kind="stable")]


def header(
    run: Run, model: keras.Model, lead: str, facts: Sequence[Mapping[str, str]], choices: Sequence[str]
) -> dict[str, Any]:
    """Title, the row of figures, the command and what a repeat needs.

    Args:
        run: The run.
        model: Its model.
        lead: A sentence on the data.
        facts: The task's figures.
        choices: The task's own, as words.
    """
    config, metrics = run.config, run.metrics
    seconds = sum(row["seconds"] for row in metrics)
    best = run.best(metrics)
    started = datetime.datetime.fromisoformat(config.started)
    return {
        "title": f"{network_name(model.name)} on {config.dataset}",
        "task": config.recipe.task.replace("-", " "),
        "lead": f"{lead} {started.day} {started:%B %Y}.",
        "facts": [
            *facts,
            {"name": "Parameters", "value": _count(model.count_params()), "note": f"{model.count_params():,}"},
            {"name": "Epochs", "value": str(len(metrics)), "note": f"best: {best['epoch']}" if best else ""},
            {"name": "Training time", "value": duration(seconds), "note": _per_epoch(seconds, len(metrics))},
        ],
        "choices": _choices(config, choices),
        "versions": ", ".join(f"{name} {version}" for name, version in config.versions.items()),
        "seed": config.recipe.seed,
        "command": config.command,
    }


def network_name(name: str) -> str:
    """A model's name as its authors write it.

    >>> network_name("wavenet"), network_name("deeplab_v3_plus"), network_name("clip_classifier"), network_name("lstm")
    ('WaveNet', 'DeepLab v3+', 'Clip classifier', 'LSTM')
    """
    return _NAMES.get(name) or name.replace("_", " ").capitalize()


def accuracy(test: Mapping[str, Any]) -> dict[str, str]:
    """The accuracy with the half-width of its 95 % interval (Wilson 1927), so that nobody compares noise."""
    accuracy, n, z = test["accuracy"], max(test["examples"], 1), 1.96
    half = z / (1 + z * z / n) * math.sqrt(accuracy * (1 - accuracy) / n + (z / (2 * n)) ** 2)
    return {"name": "Test accuracy", "value": f"{100 * accuracy:.1f} %", "note": f"± {100 * half:.1f} points (95 %)"}


def _choices(config: Config, own: Sequence[str]) -> str:
    recipe = config.recipe
    decay = "constant" if recipe.decay == "none" else f"{recipe.decay} decay"
    parts = [
        f"{config.backend} backend",
        f"batches of {recipe.batch_size}",
        f"Adam with learning rate {recipe.learning_rate:g} ({decay})",
        *own,
        "mixed precision" if recipe.mixed_precision else "float32",
    ]
    return f"Recipe {recipe.name}: {', '.join(parts)}."


def _count(number: int) -> str:
    """1234567 → 1.2 M."""
    if number >= 1_000_000:
        return f"{number / 1_000_000:.1f} M"
    return f"{number / 1000:.0f} k" if number >= 10_000 else f"{number:,}"


def _per_epoch(seconds: float, epochs: int) -> str:
    return f"{duration(seconds / epochs)} an epoch" if epochs else ""
