"""Sites on DNA, from a table or BED: single bases of one strand, each of a type.

A site of splicing is the base of the exon that touches the intron, as SpliceAI has it (Jaganathan et al. 2019, doi
10.1016/j.cell.2018.12.015): for a donor the last one before the intron, which begins with GT, for an acceptor the first one
behind it, which ends with AG. Positions count from 0 on the FASTA as it is, on both strands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atrous.data import motifs
from atrous.data.annotations import integer_of, is_bed, record_of, rows_of
from atrous.data.fasta import Record

STRANDS = ("+", "-")
Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Sites:
    """Sites on records, ordered by record, position and strand.

    Args:
        types: What sites are called.
        record: (n,) index of the record.
        position: (n,) from 0, counted on the record as it is.
        strand: (n,) 0 for +, 1 for −.
        label: (n,) 1 for the first type, and so on; 0 is no site.
    """

    types: tuple[str, ...]
    record: Positions
    position: Positions
    strand: Positions
    label: Positions

    def __len__(self) -> int:
        return len(self.position)

    def within(self, record: int, first: int, last: int) -> Sites:
        """Those of a record from one position up to another."""
        return self.chosen((self.record == record) & (self.position >= first) & (self.position < last))

    def chosen(self, which: NDArray[np.bool_]) -> Sites:
        """Some of them."""
        return Sites(self.types, self.record[which], self.position[which], self.strand[which], self.label[which])

    def counts(self) -> dict[str, int]:
        """How many there are of each type."""
        return {name: int((self.label == label).sum()) for label, name in enumerate(self.types, 1)}


def read_sites(
    file: str | Path, records: Sequence[Record], types: tuple[str, ...], one_based: bool = False
) -> tuple[Sites, list[str]]:
    """Reads sites, and looks whether donors have GT and acceptors AG beside them.

    Args:
        file: BED (`.bed`: record, start, end, type, score, strand; a site is one base, end = start + 1), or else a table with a
            header: tabs or commas between `position`, `strand`, `type`, with several records `record`, and what else there is.
            Either may be gzipped.
        records: The DNA.
        types: What sites may be called.
        one_based: Whether positions of a table count from 1.

    Returns:
        The sites, and what is to be said of them.

    Raises:
        ValueError: A line breaks a rule, or most sites can't be where they are said to be.
        FileNotFoundError: There is no such file.
    """
    path = Path(file)
    rows, twice = _rows(path, records, types, one_based)
    if not rows:
        raise ValueError(f"Sites must be at least one. Received: {path.name} with none.")
    ordered = np.array([(*key, label) for key, label in sorted(rows.items())], np.int64)
    record, position, strand, label = ordered.T
    sites = Sites(types, record, position, strand, label)
    notes = [f"{path.name}: {twice:,} sites stand there twice; they count once."] * bool(twice)
    return sites, [*notes, *motifs.check(path, sites, records, one_based)]


def _rows(
    path: Path, records: Sequence[Record], types: tuple[str, ...], one_based: bool
) -> tuple[dict[tuple[int, int, int], int], int]:
    """Label by record, position and strand; and how many stand there twice."""
    if is_bed(path) and one_based:
        raise ValueError(
            f"`one_based` must be left out for BED, which counts from 0. Received: one_based=True with {path.name}."
        )
    names = [each.name for each in records]
    found: dict[tuple[int, int, int], int] = {}
    twice = 0
    bed = {"record": 0, "position": 1, "end": 2, "type": 3, "strand": 5}
    for number, row in rows_of(path, ("position", "strand", "type"), bed):
        where = f"line {number:,} of {path.name}"
        record = record_of(row.get("record", row.get("chrom")), names, where)
        position = integer_of(row.get("position"), "position", where)
        if "end" in row and is_bed(path) and integer_of(row["end"], "end", where) != position + 1:
            raise ValueError(
                f"A site in BED must be one base, its end the start + 1. Received: {position} to {row['end']} in {where}."
            )
        first = int(one_based)
        if not first <= position < len(records[record]) + first:
            raise ValueError(
                f"`position` must be {first} to {len(records[record]) - 1 + first:,}, the bases of {names[record]}. Received: "
                f"{position:,} in {where}."
            )
        if row.get("strand") not in STRANDS:
            raise ValueError(f"`strand` must be + or -. Received: {row.get('strand')!r} in {where}.")
        if row.get("type") not in types:
            raise ValueError(
                f"`type` must be one of {', '.join(types)}. Received: {row.get('type')!r} in {where}. Sites of other types: "
                "--types NAME,NAME"
            )
        key, label = (record, position - first, STRANDS.index(row["strand"])), types.index(row["type"]) + 1
        if found.setdefault(key, label) != label:
            raise ValueError(
                f"A base must have one type on a strand. Received: {types[found[key] - 1]} and {row['type']} at {position:,} "
                f"({row['strand']}) of {names[record]}, the latter in {where}."
            )
        twice += 1
    return found, twice - len(found)
