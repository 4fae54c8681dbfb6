"""Train, validation and test: what the data don't say is drawn by the seed."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

T = TypeVar("T")


def complete(parts: dict[str, list[T]], seed: int, example: str) -> dict[str, list[T]]:
    """Gives each of the three parts its examples.

    Without a test part, what is called validation is the test, and a tenth of `train` is held out to choose the best epoch by;
    without either, 80, 10 and 10 percent are drawn.

    Args:
        parts: Examples of "train", and perhaps "validation", "test".
        seed: What is drawn by.
        example: What an example is called: "image with a mask".

    Raises:
        ValueError: A part has no example.
    """
    if "test" not in parts and "validation" in parts:
        parts = {"train": parts["train"], "test": parts["validation"]}
    for part, examples in parts.items():
        if not examples:
            raise ValueError(f"`data` must have an example in each part. Received: no {example} in the part {part!r}.")
    missing = [part for part in ("validation", "test") if part not in parts]
    train = parts["train"]
    if len(train) <= len(missing):
        raise ValueError(
            f"`data` must have an image for each of train, {', '.join(missing)}. "
            f"Received: {len(train)} {example.replace(' ', '(s) ', 1)}."
        )
    order = np.random.default_rng(seed).permutation(len(train))
    take = max(1, round(0.1 * len(train)))
    for i, part in enumerate(missing):
        parts = {**parts, part: [train[j] for j in sorted(order[i * take : (i + 1) * take])]}
    rest = sorted(order[len(missing) * take :])
    return {**parts, "train": [train[j] for j in rest]}
