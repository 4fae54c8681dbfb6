"""The two bases of an intron beside a site of splicing: whether sites are where they are said to be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from atrous.data.annotations import is_bed
from atrous.data.fasta import UNKNOWN, Codes, Record

if TYPE_CHECKING:
    from atrous.data.sites import Sites

_CODE = {letter: code for code, letter in enumerate("ACGT")}
_MOTIFS = {"donor": ((1, 2), ("GT", "GC", "AT")), "acceptor": ((-2, -1), ("AG", "AC"))}
"""Offsets of the intron's two bases beside a site, and what they are: nearly always the first (Burset et al. 2000)."""
_ENOUGH = 0.5  # of the sites have the motif, or something is wrong with all of them
_SURE = 0.8  # of the sites have it elsewhere: that is what is wrong


def around(codes: Codes, positions: NDArray[np.int64], strands: NDArray[np.int64], offsets: Sequence[int]) -> Codes:
    """Bases around sites of one record, (sites, offsets), in the direction of their strand; unknown where the record has none.

    Args:
        codes: The record.
        positions: (sites,).
        strands: (sites,) 0 for +, 1 for −.
        offsets: Bases behind the site in its direction; negative: before it.
    """
    places = positions[:, None] + np.where(strands == 0, 1, -1)[:, None] * np.asarray(offsets)
    inside = (places >= 0) & (places < len(codes))
    found = np.where(inside, codes[np.clip(places, 0, len(codes) - 1)], UNKNOWN)
    return np.where((strands[:, None] == 0) | (found == UNKNOWN), found, 3 - found).astype(np.uint8)


def check(file: Path, sites: Sites, records: Sequence[Record], one_based: bool) -> list[str]:
    """Looks at the bases beside donors and acceptors; says what isn't as it mostly is.

    Args:
        file: Where the sites come from.
        sites: The sites.
        records: The DNA.
        one_based: Whether positions are taken to count from 1.

    Raises:
        ValueError: Most of them are wrong.
    """
    here = _with_motif(sites, records)
    if not here or sum(has for has, _ in here.values()) >= _ENOUGH * sum(of for _, of in here.values()):
        return [
            f"{file.name}: {of - has:,} of {of:,} {each}s don't have {_words(each)} beside them; they are kept."
            for each, (has, of) in here.items()
            if has < of
        ]
    raise ValueError(
        f"Donors must have GT and acceptors AG beside them, in the intron. Received: {file.name}, where {_told(here)}. "
        + (
            _guess(file, sites, records, one_based)
            or "Are FASTA and sites of one assembly? A position is the exon's base, from 0."
        )
    )


def _guess(file: Path, sites: Sites, records: Sequence[Record], one_based: bool) -> str:
    """What is wrong with all positions; "" if nobody knows."""
    forward = np.where(sites.strand == 0, 1, -1)
    inward = np.array([{"donor": 1, "acceptor": -1}.get(sites.types[label - 1], 0) for label in sites.label]) * forward
    length = np.array([len(records[record]) for record in sites.record])
    step, side = (1, "right") if one_based else (-1, "left")
    cure = "leave out --one-based" if one_based else "use --one-based"
    cure = "BED counts from 0" if is_bed(file) else cure
    guesses = (
        (
            sites.position + step,
            f"{{}} one base to the {side}: are the positions {int(not one_based)}-based? {cure[0].upper()}{cure[1:]}.",
        ),
        (sites.position - inward, "{} beside the next base of the exon: a position must be the exon's base, not the intron's."),
        (
            sites.position - inward + step,
            f"{{}} one base to the {side} of the next base of the exon: are positions of the intron, and "
            f"{int(not one_based)}-based? Give the exon's bases, and {cure}.",
        ),
        (
            np.where(sites.strand == 0, sites.position, length - 1 - sites.position),
            "{} if positions on the - strand are counted from its own end: count from the FASTA's first base.",
        ),
    )
    for position, words in guesses:
        moved = dataclasses.replace(sites, position=position)
        there = _with_motif(moved, records)
        if sum(has for has, _ in there.values()) >= _SURE * sum(of for _, of in there.values()):
            told = _told(there)
            return words.format(told)
    return ""


def _with_motif(sites: Sites, records: Sequence[Record]) -> dict[str, tuple[int, int]]:
    """Of donors and acceptors, how many have the intron's bases beside them, of how many whose bases are known."""
    found = {}
    for label, name in enumerate(sites.types, 1):
        if name not in _MOTIFS:
            continue
        offsets, motifs = _MOTIFS[name]
        has = of = 0
        for index, record in enumerate(records):
            chosen = sites.chosen((sites.label == label) & (sites.record == index))
            bases = around(record.codes, chosen.position, chosen.strand, offsets)
            bases = bases[(bases != UNKNOWN).all(axis=1)]
            has += sum(int((bases == [_CODE[base] for base in motif]).all(axis=1).sum()) for motif in motifs)
            of += len(bases)
        if of:
            found[name] = (has, of)
    return found


def _told(found: Mapping[str, tuple[int, int]]) -> str:
    return " and ".join(f"{has:,} of {of:,} {name}s have {_words(name)}" for name, (has, of) in found.items())


def _words(name: str) -> str:
    motifs = _MOTIFS[name][1]
    return f"{motifs[0]} ({', '.join(motifs[1:])})"
