"""Stretches of DNA for training, validation and test: named in a file, or cut so that each has its share of the sites."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atrous.data.annotations import integer_of, record_of, rows_of
from atrous.data.fasta import Record
from atrous.data.sites import Sites

PARTS = ("train", "validation", "test")

_NAMES = {"training": "train", "val": "validation", "valid": "validation", "dev": "validation"}


@dataclass(frozen=True)
class Region:
    """A stretch of a record, of both strands.

    Args:
        record: Index of the record.
        first: Its first position.
        last: The position behind its last.
    """

    record: int
    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first


Regions = dict[str, tuple[Region, ...]]


def read_regions(file: str | Path, records: Sequence[Record]) -> Regions:
    """Reads which stretches are for what.

    Args:
        file: BED (`.bed`: record, start, end, name), or else a table with a header: tabs or commas between `name`, `start`,
            `end` and, with several records, `record`. A name is train, validation (or val), or test; positions count from 0,
            and the end is left out.
        records: The DNA.

    Raises:
        ValueError: A line breaks a rule, two stretches overlap, or a part has none.
        FileNotFoundError: There is no such file.
    """
    path = Path(file)
    names = [each.name for each in records]
    found: dict[str, list[Region]] = {part: [] for part in PARTS}
    for number, row in rows_of(path, ("name", "start", "end"), {"record": 0, "start": 1, "end": 2, "name": 3}):
        where = f"line {number:,} of {path.name}"
        record = record_of(row.get("record", row.get("chrom")), names, where)
        first, last = (integer_of(row.get(name), name, where) for name in ("start", "end"))
        if not 0 <= first < last <= len(records[record]):
            raise ValueError(
                f"`start` and `end` must be 0 to {len(records[record]):,}, the bases of {names[record]}, and ascend. Received: "
                f"{first:,} and {last:,} in {where}."
            )
        name = (row.get("name") or "").lower()
        part = _NAMES.get(name, name)
        if part not in PARTS:
            raise ValueError(f"`name` must be train, validation (val) or test. Received: {row.get('name')!r} in {where}.")
        found[part].append(Region(record, first, last))
    for part, regions in found.items():
        if not regions:
            raise ValueError(f"Each of train, validation and test must have a stretch. Received: {path.name} without {part}.")
    every = sorted((each.record, each.first, each.last, part) for part, regions in found.items() for each in regions)
    for (record, _, last, part), (other, first, _, name) in itertools.pairwise(every):
        if record == other and first < last:
            raise ValueError(
                f"Stretches must not overlap. Received: {path.name} with {part} to {last:,} and {name} from {first:,} of "
                f"{names[record]}."
            )
    return {part: tuple(regions) for part, regions in found.items()}


def propose(records: Sequence[Record], sites: Sites, shares: Sequence[float], gap: int) -> Regions:
    """Cuts records, one behind the other, in three: each part has its share of the sites.

    Args:
        records: The DNA.
        sites: All sites.
        shares: Of training, validation and test.
        gap: Bases around each cut that are left out, so that no part sees bases of another.

    Raises:
        ValueError: There is too little DNA, or there are too few sites.
    """
    starts = np.cumsum([0, *map(len, records)])
    places = np.sort(starts[sites.record] + sites.position)
    counts = np.round(np.cumsum(shares)[:2] * len(places)).astype(int)
    if len(places) < 2 or not 0 < counts[0] < counts[1] < len(places):
        raise ValueError(f"There must be sites for training, validation and test. Received: {len(places):,} sites.")
    cuts = [int(places[count - 1] + places[count]) // 2 + 1 for count in counts]
    before, behind = gap // 2, gap - gap // 2
    bounds = zip([0, *(cut + behind for cut in cuts)], [*(cut - before for cut in cuts), int(starts[-1])], strict=True)
    found: Regions = {}
    for part, (first, last) in zip(PARTS, bounds, strict=True):
        found[part] = tuple(
            Region(i, max(first - start, 0), min(last, end) - start)
            for i, (start, end) in enumerate(itertools.pairwise(starts.tolist()))
            if max(first, start) < min(last, end)
        )
        if not found[part]:
            raise ValueError(
                f"Each part must have bases left of {starts[-1]:,}, of which {gap:,} are left out around each cut: what the "
                f"network sees. Received: none for {part}. A smaller --variant sees less."
            )
    return found
