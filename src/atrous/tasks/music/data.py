"""Piano rolls in MATLAB files, as Boulanger-Lewandowski, Bengio and Vincent 2012 (arXiv 1206.6392) gave them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.tasks.music.recipe import KEYS, Music
from atrous.tasks.sequence_modelling.sequences import SequencePart

VARIABLES = {"train": "traindata", "validation": "validdata", "test": "testdata"}

Roll = NDArray[np.uint8]


@dataclass(frozen=True)
class MusicData:
    """Pieces; the sequences of a part are a piece without its last step, and what comes a step later.

    Args:
        name: Of the file.
        kind: What a recipe is chosen by: the name in small letters, such as "jsb-chorales".
        train: What is learnt from.
        validation: What the epoch is chosen by.
        test: What is looked at in the end.
        skipped: Pieces that can't be used, and why.
        notes: What else was found.
    """

    name: str
    kind: str
    train: SequencePart
    validation: SequencePart
    test: SequencePart
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def load(source: str, recipe: Music) -> MusicData:
    """Reads the three parts of a file.

    Args:
        source: A .mat file, or a folder with one, or with several of which `recipe.data_set` names one.
        recipe: The choices.

    Raises:
        ValueError: The file breaks a rule of the format, or a part has no piece.
        FileNotFoundError: There is no such file.
    """
    file = find(Path(source), recipe.data_set)
    variables = read_mat(file)
    missing = [name for name in VARIABLES.values() if name not in variables]
    if missing:
        raise ValueError(
            f"{file.name} must have the variables {', '.join(VARIABLES.values())}. Received: none called "
            f"{', '.join(missing)}, but {', '.join(sorted(variables)) or 'nothing'}."
        )
    parts, skipped, silent = {}, [], []
    for part, name in VARIABLES.items():
        pieces = []
        for called, roll in pieces_of(variables[name], name):
            wrong = mistake(roll)
            if wrong and recipe.strict:
                raise ValueError(f"{called} of {file.name} {wrong}")
            if wrong:
                skipped.append((called, f"{called} {wrong}"))
                continue
            pieces.append((called, roll.astype(np.uint8)))
            silent += [called] * (not roll.any())
        if not pieces:
            why = f" The first was left out: {skipped[0][1]}" if skipped else ""
            raise ValueError(f"{file.name} must have a piece in each part. Received: none in {name}.{why}")
        parts[part] = part_of(pieces)
    notes = [f"Silent from beginning to end: {', '.join(silent[:3])}{', …' * (len(silent) > 3)}."] if silent else []
    kind = file.stem.lower().replace("_", "-").replace(" ", "-")
    return MusicData(file.stem, kind, **parts, skipped=tuple(skipped), notes=tuple(notes))


def find(source: Path, data_set: str | None = None) -> Path:
    """The file that is meant.

    Args:
        source: A file, or a folder of files.
        data_set: The beginning of a name, in large or small letters.

    Raises:
        ValueError: None or several are meant.
        FileNotFoundError: There is nothing there.
    """
    if source.is_file():
        return source
    if not source.is_dir():
        raise FileNotFoundError(
            f"`data` must be a .mat file, or a folder of them. Received: {str(source)!r}, which isn't there."
        )
    files = sorted(file for file in source.iterdir() if file.suffix.lower() == ".mat")
    if not files:
        raise FileNotFoundError(f"`data` must be a .mat file, or a folder of them. Received: {str(source)!r}, without any.")
    names = ", ".join(file.stem for file in files)
    if data_set is None:
        if len(files) > 1:
            raise ValueError(f"`data_set` must name one of {names}: {str(source)!r} has several. Give it: --data-set NAME")
        return files[0]
    meant = [file for file in files if file.stem.lower().startswith(data_set.lower())]
    if len(meant) != 1:
        raise ValueError(f"`data_set` must be the beginning of one of {names}. Received: data_set={data_set!r}.")
    return meant[0]


def read_mat(file: Path) -> dict[str, Any]:
    """The variables of a MATLAB file, version 5 or earlier.

    Raises:
        ValueError: It is of another format, or damaged.
        ImportError: SciPy isn't installed.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise ImportError("Reading .mat files needs SciPy: pip install 'atrous[music]'") from error
    try:
        variables = loadmat(file, appendmat=False)
    except NotImplementedError as error:
        raise ValueError(
            f"{file.name} must be a MATLAB file of version 5 to 7. Received: one of version 7.3; in MATLAB, save it with -v7."
        ) from error
    except FileNotFoundError:
        raise
    except Exception as error:  # SciPy raises whatever its parser stumbles over
        raise ValueError(f"{file.name} must be a MATLAB file. Received: one that can't be read ({error}).") from error
    return {name: value for name, value in variables.items() if not name.startswith("__")}


def pieces_of(variable: Any, name: str) -> list[tuple[str, Any]]:
    """The pieces of a cell array, or the one that a plain array is, each with what it is called: from 1, as in MATLAB."""
    cells = variable.ravel() if variable.dtype == object else [variable]
    return [(f"{name} {number}", np.asarray(cell)) for number, cell in enumerate(cells, 1)]


def mistake(roll: Any) -> str:
    """What keeps an array from being a piece; "" if nothing does."""
    if roll.ndim != 2 or roll.shape[1] != KEYS:
        return f"must have {KEYS} columns, one a key, and a row a step. Received: an array of {roll.shape}."
    if roll.dtype.kind not in "buif" or not np.isin(roll, (0, 1)).all():
        other = roll[~np.isin(roll, (0, 1))].ravel()[0] if roll.dtype.kind in "buif" else roll.dtype
        return f"must hold 0 and 1 alone. Received: {other}."
    if len(roll) < 2:
        return f"must have two steps or more, for there is nothing to predict. Received: {len(roll)}."
    return ""


def part_of(pieces: Sequence[tuple[str, Roll]]) -> SequencePart:
    """Pieces as sequences: what was heard, and what comes next."""
    return SequencePart([roll[:-1] for _, roll in pieces], [roll[1:] for _, roll in pieces], [name for name, _ in pieces])
