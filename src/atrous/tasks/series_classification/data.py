"""Series with classes, in three parts, and what was decided for them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atrous.data.stratified import stratified
from atrous.data.ts import SUFFIXES, CaseFile, Values, natural, read_cases
from atrous.tasks.series_classification.plan import Plan, make
from atrous.tasks.series_classification.recipe import SeriesClassification

FEW = 300  # training cases, below which none is held out
_HELD_OUT = 0.1
_SPLIT = (0.8, 0.2)  # of one file
_OFFICIAL = re.compile(r"(.+)_(train|test)", re.IGNORECASE)
_LISTED = 8


@dataclass(frozen=True)
class SeriesCases:
    """Cases of a part.

    Args:
        series: (steps, channels) each; missing values NaN.
        labels: (n,) indices into the class names.
        names: Where each comes from: file and line.
        passes: How often each comes in an epoch.
    """

    series: tuple[Values, ...]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    passes: int = 1

    def __len__(self) -> int:
        """Cases an epoch."""
        return len(self.series) * self.passes

    def take(self, rows: Sequence[int] | NDArray[np.int64], passes: int = 1) -> SeriesCases:
        """Some of them."""
        return SeriesCases(
            tuple(self.series[i] for i in rows), self.labels[np.asarray(rows, int)], tuple(self.names[i] for i in rows), passes
        )


@dataclass(frozen=True)
class LabelledSeries:
    """Series with classes.

    Args:
        name: Of the data set.
        class_names: In order.
        channels: Of each series.
        train: What weights are fitted to.
        validation: What the best epoch is chosen by: held-out cases, or, of few, the training cases themselves.
        test: What is looked at once.
        plan: What was decided.
        held_out: Whether the validation part isn't the training part.
        notes: What was found in the files.
        skipped: Cases left out, where and why.
        kind: What a recipe is chosen by.
    """

    name: str
    class_names: tuple[str, ...]
    channels: int
    train: SeriesCases
    validation: SeriesCases
    test: SeriesCases
    plan: Plan
    held_out: bool
    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    kind: str = ""


def load(
    source: str,
    recipe: SeriesClassification,
    plan: Plan | None = None,
    class_names: Sequence[str] = (),
    channels: int | None = None,
) -> LabelledSeries:
    """Reads series, and splits what isn't split.

    Args:
        source: A folder with NAME_TRAIN.ts and NAME_TEST.ts, or one file, of which a fifth is drawn for the test.
        recipe: The choices.
        plan: Of a run whose data they are or must be like; by default made of the recipe and the data.
        class_names: Likewise: their order.
        channels: Likewise.

    Raises:
        ValueError: The data break a rule; see `atrous.data.ts`.
        FileNotFoundError: There is no such file, or none that is looked for.
    """
    files = [read_cases(file, channels, strict=recipe.strict) for file in find_files(Path(source))]
    if len({each.cases[0].values.shape[1] for each in files}) > 1:
        found = ", ".join(f"{each.path.name} with {each.cases[0].values.shape[1]}" for each in files)
        raise ValueError(f"`data` must have as many channels for training as for the test. Received: {found}.")
    names = tuple(dict.fromkeys([*class_names, *(name for each in files for name in each.class_names)]))
    if not class_names and not all(each.class_names == files[0].class_names for each in files):
        names = tuple(sorted(names, key=natural))
    if len(names) < 2:
        raise ValueError(f"`data` must have two classes or more. Received: {source!r} with {', '.join(names) or 'none'}.")
    parts, notes = _parts(files, names, recipe.seed)
    share = recipe.validation if recipe.validation is not None else (0.0 if len(parts[0]) < FEW else _HELD_OUT)
    train, validation = parts[0], parts[0]
    if share:
        rows = stratified(train.labels, (1 - share, share), recipe.seed)
        if not len(rows[1]):
            raise ValueError(
                f"`validation` must leave a case of some class to hold out. Received: validation={share:g} of {len(train):,} "
                "cases, no class with two. --validation 0 holds out none."
            )
        validation, train = train.take(rows[1]), train.take(rows[0])
    plan = plan or make(recipe, train.series)
    train = train.take(range(len(train)), passes=max(1, -(-recipe.cases // len(train))))
    told = [note for each in files for note in each.notes]
    told += _notes(names, parts[0], parts[1])
    skipped = tuple((why.partition(":")[0], why) for each in files for why in each.skipped)
    channels = parts[0].series[0].shape[1]
    name = files[0].name if len(files) == 1 else _OFFICIAL.fullmatch(files[0].path.stem)[1]  # type: ignore[index]
    return LabelledSeries(name, names, channels, train, validation, parts[1], plan, bool(share), (*notes, *told), skipped)


def find_files(source: Path) -> list[Path]:
    """The training file and the test file of a data set, or the one file that it has.

    Args:
        source: A file, or a folder with one data set in it or in a folder below.

    Raises:
        ValueError: There are several data sets, or it is no file of the format.
        FileNotFoundError: There is none.
    """
    if source.is_file():
        if source.suffix.lower() not in SUFFIXES:
            raise ValueError(f"`data` must be a file that ends in {' or '.join(SUFFIXES)}. Received: {str(source)!r}.")
        official = _OFFICIAL.fullmatch(source.stem)
        pair = _sets(source.parent).get(official[1], {}) if official else {}
        return [pair["train"], pair["test"]] if len(pair) == 2 else [source]
    if not source.is_dir():
        raise FileNotFoundError(f"`data` must be a folder or a .ts file. Received: {str(source)!r}, which isn't there.")
    sets = _sets(source) or {
        name: pair for below in sorted(source.iterdir()) if below.is_dir() for name, pair in _sets(below).items()
    }
    complete = {name: pair for name, pair in sets.items() if len(pair) == 2} or sets
    if len(complete) > 1:
        names = ", ".join(list(complete)[:_LISTED]) + ", …" * (len(complete) > _LISTED)
        pair = next(iter(complete.values()))
        first = pair.get("train", next(iter(pair.values())))
        first = first if first.parent == source else first.parent
        raise ValueError(
            f"`data` must be one data set. Received: {str(source)!r} with {len(complete)}: {names}. Name one: --data {first}"
        )
    if complete:
        (pair,) = complete.values()
        return [pair[part] for part in ("train", "test") if part in pair]
    single = sorted(file for file in source.iterdir() if file.suffix.lower() in SUFFIXES)
    if len(single) > 1:
        raise ValueError(
            f"`data` must be one data set, NAME_TRAIN.ts and NAME_TEST.ts. Received: {str(source)!r} with "
            f"{', '.join(file.name for file in single[:_LISTED])}. Name one: --data {single[0]}"
        )
    if not single:
        raise FileNotFoundError(
            "`data` must be a folder with NAME_TRAIN.ts and NAME_TEST.ts, or a .ts file. "
            f"Received: {str(source)!r}, without any."
        )
    return single


def _sets(folder: Path) -> dict[str, dict[str, Path]]:
    """Files of each data set in a folder by its part; of two formats the first of `SUFFIXES`."""
    found: dict[str, dict[str, Path]] = {}
    for suffix in SUFFIXES:
        for file in sorted(folder.iterdir()):
            official = _OFFICIAL.fullmatch(file.stem)
            if official and file.suffix.lower() == suffix and file.is_file():
                found.setdefault(official[1], {}).setdefault(official[2].lower(), file)
    return found


def _parts(files: Sequence[CaseFile], names: Sequence[str], seed: int) -> tuple[list[SeriesCases], list[str]]:
    """Training and test."""
    every = [_cases(each, names) for each in files]
    if len(every) == 2:
        return every, []
    (only,) = every
    rows = stratified(only.labels, _SPLIT, seed)
    if not len(rows[1]):
        raise ValueError(
            f"`data` must have a class with two cases, to be split. Received: {str(files[0].path)!r} with {len(only):,} in all."
        )
    note = (
        f"{files[0].path.name} has no test file beside it: {len(rows[1]):,} of its {len(only):,} cases were drawn for the test."
    )
    return [only.take(rows[0]), only.take(rows[1])], [note]


def _cases(file: CaseFile, names: Sequence[str]) -> SeriesCases:
    place = {name: i for i, name in enumerate(names)}
    return SeriesCases(
        tuple(case.values for case in file.cases),
        np.array([place[str(case.label)] for case in file.cases], np.int64),
        tuple(f"{file.path.name}, line {case.line:,}" for case in file.cases),
    )


def _notes(names: Sequence[str], train: SeriesCases, test: SeriesCases) -> list[str]:
    """What is to be said of classes and values before training."""
    trained, tested = (Counter(part.labels.tolist()) for part in (train, test))
    told = []
    unknown = [i for i in range(len(names)) if tested[i] and not trained[i]]
    if unknown:
        cases = sum(tested[i] for i in unknown)
        told.append(
            f"No training case of {_named(names, unknown)}: the {cases:,} of the test count as mistakes, for nothing was "
            "learnt of them."
        )
    for words, rows in (
        ("neither training nor test cases", [i for i in range(len(names)) if not trained[i] and not tested[i]]),
        ("one training case alone", [i for i in range(len(names)) if trained[i] == 1]),
        ("no test case", [i for i in range(len(names)) if trained[i] and not tested[i]]),
    ):
        if rows:
            told.append(
                f"There {'is' if 'one' in words else 'are' if 'neither' in words else 'is'} {words} of {_named(names, rows)}."
            )
    both = [*train.series, *test.series]
    lacking = sum(bool(np.isnan(each).any()) for each in both)
    if lacking:
        told.append(f"{lacking:,} of {len(both):,} series have missing values: straight lines take their place.")
    constant = sum(bool((np.nanmax(each, axis=0) == np.nanmin(each, axis=0)).all()) for each in map(_known, both))
    if constant:
        told.append(
            f"{constant:,} of {len(both):,} series are constant: nothing but their level and length can tell their class."
        )
    return told


def _known(series: Values) -> Values:
    """Without channels of which nothing is known."""
    return series[:, ~np.isnan(series).all(axis=0)]


def _named(names: Sequence[str], rows: Sequence[int]) -> str:
    listed = ", ".join(names[i] for i in rows[:_LISTED]) + ", …" * (len(rows) > _LISTED)
    return f"{'class' if len(rows) == 1 else 'classes'} {listed}"
