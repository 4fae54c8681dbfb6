"""How well a network knows pieces in files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atrous.run import Run, replacing
from atrous.tasks.music.data import mistake, part_of, pieces_of, read_mat
from atrous.tasks.music.loss import nll
from atrous.tasks.sequence_modelling.sequences import outputs


@dataclass(frozen=True)
class PieceNLL:
    """What a network says of a piece.

    Args:
        file: Where it is.
        piece: Variable and number, from 1.
        steps: That were predicted.
        nll: Negative log-likelihood, summed over the keys, in nats, mean over the steps.
        error: Why there is none.
    """

    file: str
    piece: str = ""
    steps: int = 0
    nll: float | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything; or why there is nothing."""
        if self.error is not None:
            return {"file": self.file, **({"piece": self.piece} if self.piece else {}), "error": self.error}
        return {"file": self.file, "piece": self.piece, "steps": self.steps, "nll": self.nll}

    def to_row(self) -> dict[str, Any]:
        """A line for people."""
        return {"file": self.file, "piece": self.piece, "steps": self.steps, "nll": f"{self.nll:.3f}"}


def predict(run: Run, files: Sequence[Path], output: Path | None) -> list[PieceNLL]:
    """The negative log-likelihood of each piece.

    Args:
        run: The run.
        files: .mat files, or folders of them; every variable that holds pieces is looked at.
        output: A CSV file to write, or a folder for `predictions.csv`: columns file, piece, steps, nll, error.

    Raises:
        FileNotFoundError: A folder has no .mat file.
    """
    model = run.load_model()
    found: list[PieceNLL] = []
    for file in _files(files):
        pieces = []
        try:
            for name, variable in read_mat(file).items():
                pieces += pieces_of(variable, name)
        except (ValueError, OSError) as error:
            found.append(PieceNLL(str(file), error=_words(error, file)))
            continue
        wrong = {name: why for name, roll in pieces if (why := mistake(roll))}
        good = [(name, roll.astype(np.uint8)) for name, roll in pieces if name not in wrong]
        part = part_of(good)
        means = {row: float(nll(part.targets[row], logits).mean()) for row, logits in outputs(model, part)}
        known = {name: PieceNLL(str(file), name, int(part.lengths[i]), means[i]) for i, (name, _) in enumerate(good)}
        found += [
            known.get(name) or PieceNLL(str(file), name, error=f"{name} of {file.name} {wrong[name]}") for name, _ in pieces
        ]
    if output is not None:
        _write(found, output if output.suffix.lower() == ".csv" else output / "predictions.csv")
    return found


def _files(files: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for each in files:
        inside = sorted(file for file in each.rglob("*") if file.suffix.lower() == ".mat") if each.is_dir() else [each]
        if not inside:
            raise FileNotFoundError(f"`files` must be .mat files, or folders of them. Received: {str(each)!r}, without any.")
        found += inside
    return found


def _words(error: Exception, file: Path) -> str:
    return f"{error.strerror}: {file}" if isinstance(error, OSError) and error.strerror else str(error)


def _write(found: Sequence[PieceNLL], file: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "piece", "steps", "nll", "error"])
    for each in found:
        writer.writerow(
            [each.file, each.piece, each.steps or "", "" if each.nll is None else f"{each.nll:.10g}", each.error or ""]
        )
    with replacing(file) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")
