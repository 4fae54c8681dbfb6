"""Classes of the series in files, and a table of them."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atrous.data.ts import SUFFIXES, Values, natural, read_cases
from atrous.run import Run
from atrous.spec import parse_integer
from atrous.tasks.classes import ClassPrediction, predicted, write_predictions
from atrous.tasks.series_classification.batches import probabilities
from atrous.tasks.series_classification.plan import Plan

_TABLE = ".csv"


@dataclasses.dataclass(frozen=True)
class SeriesPrediction(ClassPrediction):
    """What a model says of a series.

    Args:
        line: Where the series is in its file, from 1; `None` of a file that is one series.
    """

    line: int | None = None

    def to_json(self) -> dict[str, Any]:
        """File and line, class, probability; or why there is none."""
        found = super().to_json()
        return found if self.line is None else {"file": found.pop("file"), "line": self.line, **found}


def predict(run: Run, files: Sequence[Path], output: Path | None, top: int | None = None) -> list[SeriesPrediction]:
    """Classifies the series of files.

    Args:
        run: The run.
        files: Files, or folders of them: `.ts` and `.tsv` with a series a line, whose labels don't count; `.csv` with one
            series, a row a step and a column a channel, with or without names of columns.
        output: A CSV file to write, or a folder for `predictions.csv`.
        top: How many of the most probable classes are told.

    Raises:
        ValueError: `top` isn't a positive integer.
        FileNotFoundError: There is no file in a folder.
    """
    most = 0 if top is None else parse_integer("top", top)
    config = run.config
    model, plan = run.load_model(), Plan.from_json(config.facts["plan"])
    found: list[SeriesPrediction] = []
    for file in _files(files):
        try:
            read, told = _read(file, config.channels)
        except (ValueError, OSError) as error:
            found.append(SeriesPrediction(str(file), error=str(error)))
            continue
        said = probabilities(model, [values for _, values in read], plan)
        for (line, _), row in zip(read, said, strict=True):
            found.append(SeriesPrediction(**vars(predicted(str(file), row, config.class_names, most)), line=line))
        found += [SeriesPrediction(str(file), error=why) for why in told]
    if output is not None:
        rows = [each if each.line is None else dataclasses.replace(each, file=f"{each.file}:{each.line}") for each in found]
        write_predictions(rows, output, most)
    return found


def _files(given: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in given:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in (*SUFFIXES, _TABLE) and file.is_file())
        if not inside:
            raise FileNotFoundError(
                f"`files` must be .ts, .tsv or .csv files, or folders of them. Received: {str(path)!r}, without any."
            )
        found += inside
    return found


def _read(file: Path, channels: int) -> tuple[list[tuple[int | None, Values]], Sequence[str]]:
    """Series with their lines, and why others can't be read."""
    if file.suffix.lower() == _TABLE:
        return [(None, _table(file, channels))], ()
    if file.suffix.lower() not in SUFFIXES:
        raise ValueError(f"`files` must end in {', '.join(SUFFIXES)} or {_TABLE}. Received: {str(file)!r}.")
    held = read_cases(file, channels, labelled=False)
    return [(case.line, case.values) for case in held.cases], held.skipped


def _table(file: Path, channels: int) -> Values:
    """One series: a row a step, a column a channel."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            rows = [(number, row) for number, row in enumerate(csv.reader(text), 1) if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"`files` must be text. Received: {str(file)!r}, which is binary or damaged.") from error
    if rows and all(natural(cell)[0] == np.inf and cell.strip() not in ("", "?") for cell in rows[0][1]):
        rows = rows[1:]
    found = np.full((len(rows), channels), np.nan, np.float32)
    for place, (number, row) in enumerate(rows):
        if len(row) != channels:
            raise ValueError(
                f"`files` must have a column a channel, {channels}. Received: {str(file)!r}, line {number:,} with {len(row)}."
            )
        for channel, cell in enumerate(row):
            try:
                found[place, channel] = np.nan if cell.strip() in ("", "?") else float(cell)
            except ValueError:
                raise ValueError(
                    f"`files` must hold numbers. Received: {str(file)!r}, line {number:,}: {cell.strip()[:40]!r}."
                ) from None
    if np.isnan(found).all() or np.isinf(found).any():
        raise ValueError(f"`files` must hold finite numbers. Received: {str(file)!r}, without any, or with an infinite one.")
    return found
