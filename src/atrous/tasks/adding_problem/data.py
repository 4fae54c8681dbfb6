"""Sequences for the adding problem (Hochreiter & Schmidhuber 1997), marked as in the code of Bai, Kolter, Koltun 2018."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def draw(generator: np.random.Generator, count: int, length: int) -> tuple[Array, Array]:
    """Draws sequences.

    Args:
        generator: What is drawn by.
        count: How many, n.
        length: T.

    Returns:
        Inputs (n, T, 2): numbers from U[0, 1], and marks, two ones among zeros, any two places; and targets (n, 1), the sums of
        the marked numbers.
    """
    numbers = generator.random((count, length), np.float32)
    first = generator.integers(0, length, count)
    second = (first + generator.integers(1, length, count)) % length  # any other, each as likely
    rows = np.arange(count)
    marks = np.zeros_like(numbers)
    marks[rows, first] = marks[rows, second] = 1
    return np.stack([numbers, marks], axis=-1), (numbers[rows, first] + numbers[rows, second])[:, None]


def asked(array: NDArray[Any], name: str) -> Array:
    """Sequences of a file as inputs, (n, T, 2).

    Args:
        array: (T, 2) or (n, T, 2).
        name: Of the file.

    Raises:
        ValueError: They aren't sequences of this task.
    """
    rows = array[None] if array.ndim == 2 else array
    if rows.ndim != 3 or rows.shape[1] < 2 or rows.shape[2] != 2:
        raise ValueError(
            f"{name} must have (n, T, 2) entries, T at least 2: numbers and marks. Received: an array of {array.shape}."
        )
    numbers, marks = rows[..., 0], rows[..., 1]
    if not np.isin(marks, (0, 1)).all() or (marks.sum(axis=1) != 2).any() or numbers.min() < 0 or numbers.max() > 1:
        raise ValueError(
            f"{name} must have numbers from 0 to 1, and two marks of 1 among zeros a sequence. Received: numbers from "
            f"{numbers.min():g} to {numbers.max():g}, {marks[marks.sum(axis=1).argmax()].sum():g} marks in one."
        )
    return rows.astype(np.float32)
