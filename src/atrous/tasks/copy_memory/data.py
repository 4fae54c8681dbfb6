"""Sequences for copy memory (Hochreiter & Schmidhuber 1997; as in Bai, Kolter, Koltun 2018, arXiv 1803.01271, and its code)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.tasks.copy_memory.recipe import DIGITS, SYMBOLS

Array = NDArray[np.uint8]


def draw(generator: np.random.Generator, count: int, length: int) -> tuple[Array, Array]:
    """Draws sequences.

    Args:
        generator: What is drawn by.
        count: How many, n.
        length: T.

    Returns:
        Inputs (n, T + 20, 1): ten digits 1 … 8, T − 1 zeros, eleven nines; and targets (n, T + 20): T + 10 zeros and the
        digits.
    """
    digits = generator.integers(1, SYMBOLS + 1, (count, DIGITS), np.uint8)
    inputs, targets = (np.zeros((count, length + 2 * DIGITS), np.uint8) for _ in range(2))
    inputs[:, :DIGITS] = targets[:, -DIGITS:] = digits
    inputs[:, -DIGITS - 1 :] = SYMBOLS + 1
    return inputs[..., None], targets


def asked(array: NDArray[Any], name: str) -> Array:
    """Sequences of a file as inputs, (n, steps, 1).

    Args:
        array: (steps,), (n, steps) or (n, steps, 1).
        name: Of the file.

    Raises:
        ValueError: They aren't sequences of this task.
    """
    rows = array[None] if array.ndim == 1 else array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    least = 2 * DIGITS + 1
    if rows.ndim != 2 or rows.shape[1] < least:
        raise ValueError(
            f"{name} must have (n, T + {2 * DIGITS}) entries, T at least 1: {DIGITS} digits, T − 1 zeros, {DIGITS + 1} nines. "
            f"Received: an array of {array.shape}."
        )
    first, rest, last = rows[:, :DIGITS], rows[:, DIGITS : -DIGITS - 1], rows[:, -DIGITS - 1 :]
    if not (np.isin(first, range(1, SYMBOLS + 1)).all() and (rest == 0).all() and (last == SYMBOLS + 1).all()):
        raise ValueError(
            f"{name} must have {DIGITS} digits from 1 to {SYMBOLS} first, then zeros, and {DIGITS + 1} nines at the end. "
            f"Received: {' '.join(f'{value:g}' for value in rows[0, : DIGITS + 2])} … "
            f"{' '.join(f'{value:g}' for value in rows[0, -DIGITS - 2 :])}."
        )
    return rows.astype(np.uint8)[..., None]
