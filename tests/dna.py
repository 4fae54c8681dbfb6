"""Tiny genomes: random DNA with planted sites, as files."""

import gzip

import numpy as np

DONOR, ACCEPTOR = "CAGGTAAGT", "TTTTTTTTCTTTTTTTTCAGGAT"
"""Nine bases with the site, the exon's last, at index 2; and 23 with it, the exon's first, at index 20."""


def random(length, seed=0, letters="ACGT"):
    return "".join(np.random.default_rng(seed).choice(list(letters), length))


def complement(sequence):
    return sequence[::-1].translate(str.maketrans("ACGTN", "TGCAN"))


def genome(length=24_000, seed=0, every=300):
    """DNA with a donor or an acceptor about every so many bases, on either strand, and rows (position, strand, type)."""
    draw = np.random.default_rng(seed)
    letters = list(random(length, seed))
    sites = []
    for start in range(60, length - 60, every):
        kind = ("donor", "acceptor")[len(sites) % 2]
        strand = "+-"[int(draw.integers(2))]
        motif, inside = {"donor": (DONOR, 2), "acceptor": (ACCEPTOR, 20)}[kind]
        written = motif if strand == "+" else complement(motif)
        place = start + int(draw.integers(30))
        letters[place : place + len(motif)] = written
        sites.append((place + inside if strand == "+" else place + len(motif) - 1 - inside, strand, kind))
    return "".join(letters), sorted(sites)


def fasta(records, width=60, packed=False):
    """FASTA of names and DNA."""
    lines = []
    for name, sequence in records.items():
        lines += [f">{name} of a test", *(sequence[i : i + width] for i in range(0, len(sequence), width))]
    text = ("\n".join(lines) + "\n").encode()
    return gzip.compress(text) if packed else text


def table(rows, header=("position", "strand", "type"), tab="\t"):
    return "\n".join(tab.join(map(str, row)) for row in [header, *rows]) + "\n"


def folder(place, length=24_000, seed=0, **files):
    """A folder with dna.fa, sites.tsv and splits.tsv, and other files by their names with an underscore for the dot."""
    place.mkdir(parents=True, exist_ok=True)
    sequence, sites = genome(length, seed)
    (place / "dna.fa").write_bytes(fasta({"chr1": sequence}))
    (place / "sites.tsv").write_text(table(sites))
    ends = [0, length // 2, length // 4 * 3, length]
    rows = [(part, ends[i], ends[i + 1]) for i, part in enumerate(("train", "val", "test"))]
    (place / "splits.tsv").write_text(table(rows, ("name", "start", "end")))
    for name, text in files.items():
        file = place / name.replace("_", ".")
        if text is None:
            file.unlink()
        else:
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return place
