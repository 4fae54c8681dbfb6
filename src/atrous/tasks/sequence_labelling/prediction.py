"""Sites that a network finds in DNA of any length, and the file that is made of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from atrous.data.fasta import UNKNOWN, Codes, Letters, pieces, reverse_complement, window
from atrous.data.sites import STRANDS
from atrous.run import Run, replacing
from atrous.tasks.recipe import parse_number
from atrous.tasks.sequence_labelling.files import fasta_files
from atrous.tasks.sequence_labelling.plan import Plan
from atrous.tasks.sequence_labelling.windows import labelled

_DEFAULT = 0.5  # least score, where no test says one
_SUFFIXES = (".bed", ".tsv")
_HEADER = "record\tposition\tstrand\ttype\tscore\n"


@dataclass(frozen=True)
class Site:
    """A base that is called.

    Args:
        position: From 0, on the record as it is.
        strand: "+" or "-".
        type: Of the site.
        score: Probability, 0..1.
    """

    position: int
    strand: str
    type: str
    score: float


@dataclass(frozen=True)
class Labelled:
    """What a network says of one record.

    Args:
        file: Where the record is.
        record: Its name.
        bases: Its length.
        counts: How many sites of each type are called.
        sites: The sites, by position; not kept if they are in a file.
        error: Why there is nothing.
        note: What the user should know of it.
        written: The file that holds the sites, if one was asked for.
    """

    file: str
    record: str = ""
    bases: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    sites: tuple[Site, ...] = ()
    error: str | None = None
    note: str | None = None
    written: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything; or why there is nothing."""
        if self.error is not None:
            return {"file": self.file, "error": self.error}
        told: dict[str, Any] = {"file": self.file, "record": self.record, "bases": self.bases, "counts": self.counts}
        if self.written:
            return {**told, "written": self.written}
        return {**told, "sites": [vars(site) for site in self.sites]}

    def to_row(self) -> dict[str, Any]:
        """A line for people: how many sites there are."""
        row: dict[str, Any] = {"record": self.record, "bases": self.bases, **self.counts}
        return {**row, "written": self.written} if self.written else row


class _NothingToWriteError(Exception):
    """Keeps a file without anything in it from being made."""


def predict(run: Run, files: Sequence[Path], output: Path | None, confidence: float | None = None) -> list[Labelled]:
    """Finds the sites of every record, on both strands, in memory that doesn't grow with its length.

    Args:
        run: The run.
        files: FASTA, or folders of it.
        output: A file to write, `.bed` or `.tsv`, or a folder for a BED file each. BED has the probability in thousandths as
            its score, and as it is behind the strand.
        confidence: Least probability of a site; by default, of each type, that from which on as many bases of the test were
            called as it had sites.

    Raises:
        ValueError: `confidence` is none, or two files would be written to one place.
        FileNotFoundError: There is no such file.
    """
    plan, names = Plan.from_json(run.config.facts["plan"]), run.config.facts["names"]
    least = _least(run, names, confidence)
    model = run.load_model()
    sources = [file for source in files for file in fasta_files(source, "files")]
    if output is None:
        return [each for source in sources for each in _of_file(model, source, plan, least)]
    if output.suffix.lower() in _SUFFIXES:
        return _into(output, model, sources, plan, least)
    places = [output / f"{_stem(source)}.bed" for source in sources]
    if len(set(places)) < len(places):
        raise ValueError(f"`files` must have different names, for a BED file each. Received: {', '.join(map(str, sources))}.")
    return [each for source, place in zip(sources, places, strict=True) for each in _into(place, model, [source], plan, least)]


def _into(place: Path, model: keras.Model, sources: Sequence[Path], plan: Plan, least: Mapping[str, float]) -> list[Labelled]:
    """Writes what is found in some files into one, unless none can be read."""
    found: list[Labelled] = []
    with (
        contextlib.suppress(_NothingToWriteError),
        replacing(place) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        table = place.suffix.lower() == ".tsv"
        file.write(_HEADER * table)
        for source in sources:
            start = file.tell()
            found += _of_file(model, source, plan, least, lambda name, site: file.write(_line(name, site, table)), place)
            if found[-1].error:
                file.seek(start)
                file.truncate()
        if all(each.error for each in found):
            raise _NothingToWriteError
    return found


def _of_file(
    model: keras.Model,
    source: Path,
    plan: Plan,
    least: Mapping[str, float],
    write: Callable[[str, Site], object] | None = None,
    place: Path | None = None,
) -> list[Labelled]:
    """What is said of each record of a file; one that can't be read to its end has nothing but the reason."""
    letters = Letters(source.name)
    counts: dict[str, dict[str, int]] = {}
    bases: dict[str, int] = {}
    kept: dict[str, list[Site]] = {}
    try:
        for name, first, count, codes in chunks(pieces(source, letters), plan.context // 2, plan.chunk):
            here = counts.setdefault(name, dict.fromkeys(least, 0))
            bases[name] = first + count
            for site in _called(model, codes, first, count, least):
                here[site.type] += 1
                if write is None:
                    kept.setdefault(name, []).append(site)
                else:
                    write(name, site)
    except ValueError as error:
        return [Labelled(str(source), error=str(error))]
    note = " ".join(letters.notes) or None
    written = None if place is None else str(place)
    return [
        Labelled(str(source), name, bases[name], here, tuple(kept.get(name, ())), note=note, written=written)
        for name, here in counts.items()
    ]


def chunks(parts: Iterable[tuple[str, Codes]], half: int, chunk: int) -> Iterator[tuple[str, int, int, Codes]]:
    """Cuts records that come in pieces into chunks with their context.

    Args:
        parts: Names of records, and codes that go on where the last ended.
        half: Bases of context on either side; unknown ones where the record has none.
        chunk: Bases of a chunk.

    Yields:
        The record's name, the first position of the chunk, how many of its bases there are, and the codes,
        (half + chunk + half,).
    """
    name, first = "", 0
    held = np.empty(0, np.uint8)
    for record, codes in parts:
        if record != name:
            yield from _rest(name, first, held, half, chunk)
            name, first, held = record, 0, np.full(half, UNKNOWN, np.uint8)
        held = np.concatenate([held, codes])
        while len(held) >= chunk + 2 * half:
            yield name, first, chunk, held[: chunk + 2 * half]
            held, first = held[chunk:], first + chunk
    yield from _rest(name, first, held, half, chunk)


def _rest(name: str, first: int, held: Codes, half: int, chunk: int) -> Iterator[tuple[str, int, int, Codes]]:
    """Chunks of a record's end, which has no context behind it."""
    left = len(held) - half
    held = np.concatenate([held, np.full(chunk + half, UNKNOWN, np.uint8)])
    for start in range(0, left, chunk):
        yield name, first + start, min(chunk, left - start), window(held, start, start + chunk + 2 * half)


def _called(model: keras.Model, codes: Codes, first: int, count: int, least: Mapping[str, float]) -> list[Site]:
    """Sites of one chunk on both strands, by position."""
    found = []
    for strand, sign in enumerate(STRANDS):
        said = labelled(model, codes if strand == 0 else reverse_complement(codes))
        said = said[:count] if strand == 0 else said[::-1][:count]
        for label, (name, threshold) in enumerate(least.items(), 1):
            found += [
                Site(first + int(place), sign, name, float(said[place, label]))
                for place in np.flatnonzero(said[:, label] >= threshold)
            ]
    return sorted(found, key=lambda site: (site.position, site.strand, site.type))


def _line(record: str, site: Site, table: bool) -> str:
    score = f"{site.score:.6g}"
    if table:
        return f"{record}\t{site.position}\t{site.strand}\t{site.type}\t{score}\n"
    thousandths = round(1000 * site.score)
    return f"{record}\t{site.position}\t{site.position + 1}\t{site.type}\t{thousandths}\t{site.strand}\t{score}\n"


def _least(run: Run, names: Sequence[str], confidence: float | None) -> dict[str, float]:
    """The least score of each type."""
    if confidence is not None:
        return dict.fromkeys(names, parse_number("confidence", confidence, 0, 1))
    rows = (run.test or {}).get("classes", {})
    return {name: rows.get(name, {}).get("threshold") or _DEFAULT for name in names}


def _stem(file: Path) -> str:
    return file.name.removesuffix(".gz").rpartition(".")[0] or file.name
