"""DNA, its sites, and the stretches for training, validation and test."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from atrous.data.fasta import Codes, Record, reverse_complement, window
from atrous.data.regions import PARTS, Region, Regions, propose, read_regions
from atrous.data.sites import STRANDS, Sites, read_sites
from atrous.tasks.recipe import Recipe
from atrous.tasks.sequence_labelling.files import fasta_files, read_records, tables_of
from atrous.tasks.sequence_labelling.plan import Plan, make
from atrous.tasks.sequence_labelling.recipe import SequenceLabelling


@dataclass(frozen=True)
class Stretch:
    """One strand of a region, in its own direction.

    Args:
        record: The record.
        region: The region.
        strand: 0 for +, 1 for −.
        places: (sites,) of the strand's sites, counted from its first base in its direction, ascending.
        labels: (sites,) theirs.
    """

    record: Record
    region: Region
    strand: int
    places: NDArray[np.int64]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.region)

    def bases(self, first: int, last: int) -> Codes:
        """Bases of the strand, counted likewise; there are others on both sides of the stretch, as far as the record goes."""
        if self.strand == 0:
            return window(self.record.codes, self.region.first + first, self.region.first + last)
        return reverse_complement(window(self.record.codes, self.region.last - last, self.region.last - first))

    def dense(self, first: int, last: int) -> NDArray[np.uint8]:
        """The label of each base; 0 where there is no site."""
        found = np.zeros(last - first, np.uint8)
        inside = (self.places >= first) & (self.places < last)
        found[self.places[inside] - first] = self.labels[inside]
        return found

    def position(self, place: int) -> int:
        """Where a base of it is on the record."""
        return self.region.first + place if self.strand == 0 else self.region.last - 1 - place

    @property
    def name(self) -> str:
        """Record, first and last base and strand."""
        return f"{self.record.name}:{self.region.first:,}–{self.region.last:,} ({STRANDS[self.strand]})"


@dataclass(frozen=True)
class SequencePart:
    """Both strands of some regions.

    Args:
        stretches: Of each region first the + strand, then the other.
        chunk: Bases that are labelled at once.
        windows: Number of examples, if it isn't that of the chunks: windows drawn in an epoch of training.
    """

    stretches: tuple[Stretch, ...]
    chunk: int
    windows: int | None = None

    def __len__(self) -> int:
        return sum(-(-len(each) // self.chunk) for each in self.stretches) if self.windows is None else self.windows

    @property
    def positions(self) -> int:
        """How many bases are labelled, of both strands."""
        return sum(map(len, self.stretches))

    def labels(self) -> NDArray[np.uint8]:
        """Of every base, stretch behind stretch: (positions,)."""
        return np.concatenate([each.dense(0, len(each)) for each in self.stretches])


@dataclass(frozen=True, kw_only=True)
class SequenceData:
    """DNA with sites.

    Args:
        name: Of the data set.
        records: All DNA.
        sites: All sites, of which some may be in no part.
        regions: Those of each part.
        plan: What was decided.
        train: What weights are fitted to.
        validation: What the best epoch is chosen by.
        test: What is looked at once.
        notes: What was found in the files and done about it.
        kind: What a recipe is chosen by.
    """

    name: str
    records: tuple[Record, ...]
    sites: Sites
    regions: Regions
    plan: Plan
    train: SequencePart
    validation: SequencePart
    test: SequencePart
    notes: tuple[str, ...] = ()
    kind: str = ""


def load(source: str, recipe: Recipe, plan: Plan | None = None) -> SequenceData:
    """Reads DNA and sites, and divides them.

    Args:
        source: A folder with FASTA and sites, or a FASTA file.
        recipe: The choices.
        plan: Of a run whose data they are or must be like; by default made of the recipe and the data.

    Raises:
        ValueError: The data break a rule; see `atrous.data.fasta`, `sites` and `regions`.
        FileNotFoundError: There is no such file.
    """
    recipe = cast(SequenceLabelling, recipe)
    path = Path(source)
    files = fasta_files(path)
    folder = path if path.is_dir() else path.parent
    tables = tables_of(folder, recipe)
    records, notes = read_records(files)
    sites, said = read_sites(tables["sites"], records, recipe.names, recipe.one_based)
    plan = plan or make(recipe, sites)
    named = tables.get("splits")
    regions = propose(records, sites, recipe.shares, plan.context) if named is None else read_regions(named, records)
    parts = {part: _part(records, sites, regions[part], plan.chunk) for part in PARTS}
    notes += [*said, *_notes(sites, regions, parts, plan, records)]
    _require_sites(parts, recipe.names)
    return SequenceData(
        name=folder.resolve().name if path.is_dir() else path.name.split(".")[0],
        records=tuple(records),
        sites=sites,
        regions=regions,
        plan=plan,
        train=SequencePart(parts["train"].stretches, plan.chunk, recipe.windows),
        validation=parts["validation"],
        test=parts["test"],
        notes=tuple(notes),
    )


def _part(records: Sequence[Record], sites: Sites, regions: Sequence[Region], chunk: int) -> SequencePart:
    stretches = []
    for region in regions:
        inside = sites.within(region.record, region.first, region.last)
        for strand in range(len(STRANDS)):
            own = inside.chosen(inside.strand == strand)
            places = own.position - region.first if strand == 0 else region.last - 1 - own.position
            order = np.argsort(places)
            stretches.append(Stretch(records[region.record], region, strand, places[order], own.label[order]))
    return SequencePart(tuple(stretches), chunk)


def counts_of(part: SequencePart, names: Sequence[str]) -> dict[str, int]:
    """How many sites of each type a part has."""
    return {name: sum(int((each.labels == label).sum()) for each in part.stretches) for label, name in enumerate(names, 1)}


def _require_sites(parts: dict[str, SequencePart], names: Sequence[str]) -> None:
    for part, each in parts.items():
        for name, count in counts_of(each, names).items():
            if not count:
                raise ValueError(
                    f"Each part must have sites of each type. Received: {part} without one of type {name}. Choose other "
                    "stretches, or name the types that there are: --types NAME,NAME"
                )


def _notes(sites: Sites, regions: Regions, parts: dict[str, SequencePart], plan: Plan, records: Sequence[Record]) -> list[str]:
    told = []
    inside = sum(sum(len(each.labels) for each in part.stretches) for part in parts.values())
    if inside < len(sites):
        told.append(f"{len(sites) - inside:,} of {len(sites):,} sites are in no part.")
    every = sorted((each.record, each.first, each.last, part) for part, several in regions.items() for each in several)
    for (record, _, last, part), (other, first, _, behind) in itertools.pairwise(every):
        if record == other and part != behind and first - last < plan.context:
            told.append(
                f"Between {part} and {behind} lie {first - last:,} bases of {records[record].name}, the network sees "
                f"{plan.context:,}: near the border each part sees bases of the other, but none of its sites."
            )
    return told
