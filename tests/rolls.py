"""Piano rolls, and MATLAB files of them."""

import numpy as np
from scipy.io import savemat

KEYS = 88


def roll(steps, seed=0):
    """A melody that walks up and down over a bass that changes every four steps: (steps, 88)."""
    random = np.random.default_rng(seed)
    made = np.zeros((steps, KEYS), np.uint8)
    notes = 40 + np.abs((np.arange(steps) + random.integers(12)) % 14 - 7)
    made[np.arange(steps), notes] = 1
    made[np.arange(steps), 20 + np.arange(steps) // 4 % 3] = 1
    return made


def write(file, train, validation, test):
    """Pieces of each part as a cell array, as the published files have them."""
    savemat(file, {"traindata": _cells(train), "validdata": _cells(validation), "testdata": _cells(test)})
    return file


def _cells(pieces):
    cells = np.empty((1, len(pieces)), object)
    for i, piece in enumerate(pieces):
        cells[0, i] = piece
    return cells
