"""FASTA, sites and stretches, as they are and as they are not."""

import gzip
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dna
from atrous.data import fasta
from atrous.data.fasta import one_hot, pieces, read_fasta, reverse_complement, window
from atrous.data.motifs import around
from atrous.data.regions import propose, read_regions
from atrous.data.sites import Sites, read_sites

TYPES = ("acceptor", "donor")


def write(file, content):
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@given(
    records=st.dictionaries(
        st.text("abc123", min_size=1, max_size=4), st.text("ACGTNRacgtn", min_size=1, max_size=90), min_size=1, max_size=3
    ),
    width=st.integers(1, 100),
    packed=st.booleans(),
    piece=st.integers(1, 40),
    end=st.sampled_from([b"\n", b"\r\n"]),
)
def test_fasta_is_read_as_it_was_written(tmp_path_factory, records, width, packed, piece, end):
    text = dna.fasta(records, width).replace(b"\n", end)
    file = write(tmp_path_factory.mktemp("fasta") / "x.fa", gzip.compress(text) if packed else text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fasta, "_PIECE", piece)  # lines and headers are cut anywhere
        found, notes = read_fasta(file)
    assert [(each.name, len(each)) for each in found] == [(name, len(sequence)) for name, sequence in records.items()]
    for each, sequence in zip(found, records.values(), strict=True):
        assert ["ACGTN"[code] for code in each.codes] == [{"R": "N"}.get(c, c) for c in sequence.upper()]
    every = "".join(records.values())
    unknown, lower = sum(c in "NRn" for c in every), sum(c.islower() for c in every)
    assert any("are N or another letter" in note for note in notes) == (unknown > 0)
    assert any(f"{lower:,} of {len(every):,} bases are lower case" in note for note in notes) == (lower > 0)


def test_a_record_longer_than_a_piece_comes_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(fasta, "_PIECE", 100)
    sequence = dna.random(1000)
    file = write(tmp_path / "x.fa", dna.fasta({"one": sequence}, width=10**6))  # one line
    parts = list(pieces(file))
    assert len(parts) > 5
    assert {name for name, _ in parts} == {"one"}
    assert "".join("ACGT"[code] for _, codes in parts for code in codes) == sequence


def test_strands_windows_and_what_a_network_takes():
    codes = np.array([0, 1, 2, 3, 4], np.uint8)
    assert reverse_complement(codes).tolist() == [4, 0, 1, 2, 3]
    assert window(codes, -2, 3).tolist() == [4, 4, 0, 1, 2]
    assert window(codes, 3, 8).tolist() == [3, 4, 4, 4, 4]
    assert window(codes, -9, -7).tolist() == window(codes, 7, 9).tolist() == [4, 4]
    assert one_hot(codes)[[1, 4]].tolist() == [[0, 1, 0, 0], [0, 0, 0, 0]]
    assert around(codes, np.array([1, 2]), np.array([0, 1]), (-1, 0, 1)).tolist() == [[0, 1, 2], [0, 1, 2]]


FASTA_MISTAKES = {
    "empty": (b"", "must have a record, a line of > and a name, then DNA. Received: x.fa, which is empty"),
    "no header": (b"ACGT\n", "must begin with > and a name. Received: x.fa, which begins with 'ACGT'"),
    "FASTQ": (b"@read\nACGT\n+\nIIII\n", "is it FASTQ?"),
    "no DNA": (b">a\n>b\nACGT\n", "A record must have DNA. Received: a in x.fa"),
    "no DNA at the end": (b">a\nACGT\n>b\n\n", "A record must have DNA. Received: b in x.fa"),
    "letter": (b">a\nACGT\nAC*T\n", r"Received: '\*' in line 3 of x.fa, record a"),
    "protein": (b">a\nMKLE\n", "Received: 'L' in line 2 of x.fa, record a; is it protein?"),
    "no name": (b">a\nACGT\n>\nACGT\n", "must have a name behind >. Received: line 3 of x.fa"),
    "twice": (
        b">a\nACGT\n>a\nACGT\n",
        "must have different names, the first word behind >. Received: 'a' a second time in line 3",
    ),
    "cut": (gzip.compress(b">a\nACGT\n" * 9)[:-9], "must be whole. Received: x.fa, which is damaged"),
}


@pytest.mark.parametrize("name", FASTA_MISTAKES)
def test_each_mistake_in_fasta_is_one_sentence(tmp_path, name):
    content, message = FASTA_MISTAKES[name]
    with pytest.raises(ValueError, match=message) as error:
        read_fasta(write(tmp_path / "x.fa", content))
    assert "\n" not in str(error.value)


@pytest.fixture
def records(tmp_path):
    sequence, sites = dna.genome(6000)
    return read_fasta(write(tmp_path / "x.fa", dna.fasta({"chr1": sequence})))[0], sites, tmp_path


@pytest.mark.parametrize(
    "form", [lambda rows: ("x.tsv", dna.table(rows)), lambda rows: ("x.csv", dna.table(rows, tab=","))], ids=["tabs", "commas"]
)
def test_sites_are_read_from_tables(records, form):
    found, rows, place = records
    name, text = form(rows)
    sites, notes = read_sites(write(place / name, text), found, TYPES)
    assert [
        (int(p), "+-"[s], TYPES[label - 1]) for p, s, label in zip(sites.position, sites.strand, sites.label, strict=True)
    ] == rows
    assert notes == []
    assert sites.counts() == {"acceptor": len(rows) // 2, "donor": len(rows) - len(rows) // 2}


def test_bed_and_positions_from_one_are_the_same_sites(records):
    found, rows, place = records
    sites, _ = read_sites(write(place / "x.tsv", dna.table(rows)), found, TYPES)
    bed = "track name=x\n" + "".join(f"chr1\t{p}\t{p + 1}\t{kind}\t0\t{strand}\n" for p, strand, kind in rows)
    ones = dna.table(
        [(p + 1, strand, kind, "chr1", "other") for p, strand, kind in rows], ("position", "strand", "type", "record", "x")
    )
    for other in (
        read_sites(write(place / "x.bed", bed), found, TYPES)[0],
        read_sites(write(place / "x.bed.gz", gzip.compress(bed.encode())), found, TYPES)[0],
        read_sites(write(place / "ones.tsv", ones), found, TYPES, one_based=True)[0],
    ):
        assert [getattr(other, name).tolist() for name in ("position", "strand", "label")] == [
            getattr(sites, name).tolist() for name in ("position", "strand", "label")
        ]


def test_twice_is_told_and_counted_once_and_other_motifs_are_kept(records):
    found, rows, place = records
    odd = next(p for p in range(3000, 6000) if all(abs(p - q) > 5 for q, _, _ in rows) and found[0].codes[p + 1] == 2)
    odd = next(p for p in range(odd, 6000) if found[0].codes[p + 1] == 1)
    sites, notes = read_sites(write(place / "x.tsv", dna.table([*rows, rows[0], (odd, "+", "donor")])), found, TYPES)
    assert len(sites) == len(rows) + 1
    assert "x.tsv: 1 sites stand there twice" in notes[0]
    assert "x.tsv: 1 of" in notes[1]
    assert "donors don't have GT (GC, AT) beside them; they are kept" in notes[1]


SITE_MISTAKES = {
    "out of range": ("6000\t+\tdonor", "`position` must be 0 to 5,999, the bases of chr1. Received: 6,000 in line 2 of x.tsv"),
    "no number": ("x\t+\tdonor", "`position` must be an integer. Received: 'x' in line 2"),
    "type": ("5\t+\tdoner", "`type` must be one of acceptor, donor. Received: 'doner' in line 2"),
    "strand": ("5\t?\tdonor", "`strand` must be \\+ or -. Received: '\\?' in line 2"),
    "two types": ("5\t+\tdonor\n5\t+\tacceptor", "must have one type on a strand. Received: donor and acceptor at 5"),
    "cells": ("5\t+", "`type` must be one of acceptor, donor. Received: None in line 2"),
    "none": ("", "Sites must be at least one. Received: x.tsv with none"),
}


@pytest.mark.parametrize("name", SITE_MISTAKES)
def test_each_mistake_in_sites_is_one_sentence(records, name):
    line, message = SITE_MISTAKES[name]
    found, _, place = records
    with pytest.raises(ValueError, match=message) as error:
        read_sites(write(place / "x.tsv", f"position\tstrand\ttype\n{line}\n"), found, TYPES)
    assert "\n" not in str(error.value)


def test_other_mistakes_in_sites(records):
    found, rows, place = records
    for name, text, message in (
        (
            "a.tsv",
            "start\tstrand\n1\t+\n",
            "must name its columns, position, strand, type among them. Received: a.tsv with 'start'",
        ),
        ("b.bed", "chr1\t5\t9\tdonor\t0\t+\n", "must be one base, its end the start . 1. Received: 5 to 9 in line 1 of b.bed"),
        ("c.bed", "chr1\t5\t6\n", "must have 6 columns here"),
        (
            "d.bed",
            "1\t5\t6\tdonor\t0\t+\n",
            "must be one of the FASTA, chr1. Received: '1' in line 1 of d.bed. One has chr before",
        ),
        ("e.tsv", b"\xff\xfe\x00position", "must be text, plain or gzipped. Received: e.tsv"),
    ):
        with pytest.raises(ValueError, match=message):
            read_sites(write(place / name, text), found, TYPES)
    two = [*found, fasta.Record("chr2", found[0].codes)]
    with pytest.raises(ValueError, match=r"must name its own, in a column `record`\. Received: none in line 2 of f\.tsv"):
        read_sites(write(place / "f.tsv", dna.table(rows)), two, TYPES)
    with pytest.raises(ValueError, match="`one_based` must be left out for BED"):
        read_sites(write(place / "g.bed", "chr1\t5\t6\tdonor\t0\t+\n"), found, TYPES, one_based=True)


def inward(p, strand, kind):
    return p + (1 if strand == "+" else -1) * (1 if kind == "donor" else -1)


SHIFTS = {
    "from one": (lambda p, strand, kind: p + 1, "one base to the left: are the positions 1-based\\? Use --one-based"),
    "of the intron": (inward, "beside the next base of the exon: a position must be the exon's base"),
    "of the intron, from one": (
        lambda p, strand, kind: inward(p, strand, kind) + 1,
        "are positions of the intron, and 1-based\\? Give the exon's bases, and use --one-based",
    ),
    "from the other end": (
        lambda p, strand, kind: p if strand == "+" else 5999 - p,
        "if positions on the - strand are counted from its own end",
    ),
    "of another assembly": (lambda p, strand, kind: p * 7 % 5990, "Are FASTA and sites of one assembly\\?"),
}


@pytest.mark.parametrize("name", SHIFTS)
def test_bases_beside_the_sites_tell_what_is_wrong_with_all_positions(records, name):
    shift, message = SHIFTS[name]
    found, rows, place = records
    moved = [(shift(*row), *row[1:]) for row in rows]
    if name == "from the other end":  # with few on the + strand, or their motifs would be enough
        moved = [row for row in moved if row[1] == "-"]
    with pytest.raises(ValueError, match=message) as error:
        read_sites(write(place / "x.tsv", dna.table(moved)), found, TYPES)
    assert "Donors must have GT and acceptors AG beside them, in the intron. Received: x.tsv, where" in str(error.value)


def test_positions_taken_to_count_from_one_may_count_from_zero(records):
    found, rows, place = records
    with pytest.raises(ValueError, match="to the right: are the positions 0-based\\? Leave out --one-based"):
        read_sites(write(place / "x.tsv", dna.table(rows)), found, TYPES, one_based=True)
    bed = "".join(f"chr1\t{p + 1}\t{p + 2}\t{kind}\t0\t{strand}\n" for p, strand, kind in rows)
    with pytest.raises(ValueError, match="to the left: are the positions 1-based\\? BED counts from 0"):
        read_sites(write(place / "x.bed", bed), found, TYPES)


def test_other_types_need_no_motif(records):
    found, _, place = records
    sites, notes = read_sites(write(place / "x.tsv", dna.table([(7, "+", "start"), (9, "-", "end")])), found, ("start", "end"))
    assert (sites.counts(), notes) == ({"start": 1, "end": 1}, [])


def test_stretches_are_read_and_checked(records):
    found, _, place = records
    table = dna.table(
        [("train", 0, 3000), ("val", 3000, 4000), ("test", 4500, 6000), ("test", 4000, 4100)], ("name", "start", "end")
    )
    regions = read_regions(write(place / "splits.tsv", table), found)
    assert [len(each) for each in regions["test"]] == [1500, 100]
    bed = "chr1\t0\t3000\ttrain\nchr1\t3000\t4000\tvalidation\nchr1\t4500\t6000\ttest\nchr1\t4000\t4100\ttest\n"
    assert read_regions(write(place / "splits.bed", bed), found) == regions
    for text, message in (
        ("chr1\t0\t3000\ttrain\n", "must have a stretch. Received: splits.bed without validation"),
        (
            "chr1\t0\t9000\ttrain\n",
            "`start` and `end` must be 0 to 6,000, the bases of chr1, and ascend. Received: 0 and 9,000",
        ),
        ("chr1\t0\t3000\tlearn\n", "`name` must be train, validation .val. or test. Received: 'learn' in line 1"),
        (
            bed.replace("3000\t4000", "2999\t4000"),
            "must not overlap. Received: splits.bed with train to 3,000 and validation from 2,999",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            read_regions(write(place / "splits.bed", text), found)


@given(lengths=st.lists(st.integers(200, 2000), min_size=1, max_size=3), sites=st.integers(20, 60), gap=st.integers(0, 20))
def test_stretches_are_cut_by_sites_with_a_gap_around(lengths, sites, gap):
    draw = np.random.default_rng(sites)
    found = [fasta.Record(f"r{i}", np.zeros(n, np.uint8)) for i, n in enumerate(lengths)]
    starts = np.cumsum([0, *lengths])
    places = np.sort(draw.choice(starts[-1], sites, replace=False))
    which = np.searchsorted(starts, places, side="right") - 1
    made = Sites(("a",), which, places - starts[which], np.zeros(sites, int), np.ones(sites, int))
    regions = propose(found, made, (0.5, 0.25, 0.25), gap)
    inside = {
        part: sum(len(made.within(each.record, each.first, each.last)) for each in several) for part, several in regions.items()
    }
    assert 0.5 * sites - gap - 1 <= inside["train"] <= 0.5 * sites + 1
    spans = [sorted((starts[e.record] + e.first, starts[e.record] + e.last) for e in regions[part]) for part in regions]
    for one, other in itertools.pairwise(spans):
        assert other[0][0] - one[-1][1] == gap
    assert all(0 <= e.first < e.last <= lengths[e.record] for several in regions.values() for e in several)
