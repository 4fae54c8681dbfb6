"""DNA in FASTA, plain or gzipped: records as codes, one byte a base, read whole or piece by piece.

A record is a line of `>` and a name, and lines of letters behind it (Pearson & Lipman 1988); a letter may stand for several
bases (IUPAC: Cornish-Bowden 1985, doi 10.1093/nar/13.9.3021), and lower case is what a program masked as a repeat.
"""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SUFFIXES = tuple(f"{suffix}{packed}" for suffix in (".fa", ".fasta", ".fna", ".fas") for packed in ("", ".gz"))
UNKNOWN = 4
"""Code of a base that isn't known; A, C, G and T are 0, 1, 2 and 3."""

Codes = NDArray[np.uint8]

_WRONG = 255
_AMBIGUOUS = "NRYSWKMBDHV"
_BLANK = b" \t\r\n"
_PIECE = 1 << 20  # letters that are read at once
_ONE_HOT = np.eye(UNKNOWN + 1, UNKNOWN, dtype=np.float32)
_COMPLEMENT = np.array([3, 2, 1, 0, UNKNOWN], np.uint8)


def _table() -> Codes:
    """The code of each letter."""
    table = np.full(256, _WRONG, np.uint8)
    for code, letters in enumerate(("A", "C", "G", "TU", _AMBIGUOUS)):
        for letter in letters + letters.lower():
            table[ord(letter)] = code
    return table


_CODES = _table()


@dataclass(frozen=True)
class Record:
    """A record of a FASTA file.

    Args:
        name: The first word behind `>`.
        codes: (length,), 0..3 for A, C, G and T, 4 for what isn't known.
    """

    name: str
    codes: Codes

    def __len__(self) -> int:
        return len(self.codes)


class Letters:
    """Counts, while a file is read, of letters that are not read as they are written.

    Args:
        file: Name of the file.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.total = self.lower = self.unknown = 0

    def add(self, letters: bytes, codes: Codes) -> None:
        """Counts."""
        self.total += len(codes)
        self.unknown += int((codes == UNKNOWN).sum())
        self.lower += int((np.frombuffer(letters, np.uint8) >= ord("a")).sum())

    @property
    def notes(self) -> list[str]:
        """What is to be said of them."""
        told = []
        if self.unknown:
            told.append(
                f"{self.file}: {self.unknown:,} of {self.total:,} bases are N or another letter for several bases: they are "
                "zeros to the network."
            )
        if self.lower:
            told.append(
                f"{self.file}: {self.lower:,} of {self.total:,} bases are lower case (soft-masked repeats); they are read as "
                "upper case."
            )
        return told


def read_fasta(file: str | Path) -> tuple[list[Record], list[str]]:
    """Reads all records of a file.

    Args:
        file: FASTA, plain or gzipped, whatever its name.

    Returns:
        The records, and what is to be said of their letters.

    Raises:
        ValueError: The file breaks a rule; see `pieces`.
        FileNotFoundError: There is no such file.
    """
    letters = Letters(Path(file).name)
    found: dict[str, list[Codes]] = {}
    for name, codes in pieces(file, letters):
        found.setdefault(name, []).append(codes)
    return [Record(name, np.concatenate(parts)) for name, parts in found.items()], letters.notes


def pieces(file: str | Path, letters: Letters | None = None) -> Iterator[tuple[str, Codes]]:
    """Reads a file in pieces of about a million bases, so that a record may be longer than memory.

    Args:
        file: FASTA, plain or gzipped, whatever its name.
        letters: Counts letters that are not read as they are written.

    Yields:
        The record's name, and codes that go on where its last piece ended.

    Raises:
        ValueError: The file is empty, no FASTA, or damaged; a record has no name, no letters, or the name of another; or a
            letter is none of DNA.
        FileNotFoundError: There is no such file.
    """
    where, names = Path(file).name, set[str]()
    name, empty = "", True
    for number, lines in _lines(Path(file)):
        heads = [i for i, line in enumerate(lines) if line.startswith(b">")]
        for start, end in itertools.pairwise(sorted({0, *heads, len(lines)})):
            if start in heads:
                if name and empty:
                    raise ValueError(_no_letters(where, name))
                name, empty, start = _name(lines[start], where, number + start, names), True, start + 1
            text = b"".join(lines[start:end]).translate(None, _BLANK)
            if text and not name:
                raise ValueError(_no_header(where, lines[start:end]))
            if text:
                empty = False
                codes = _CODES[np.frombuffer(text, np.uint8)]
                if (codes == _WRONG).any():
                    raise ValueError(_wrong_letter(lines[start:end], where, name, number + start))
                if letters is not None:
                    letters.add(text, codes)
                yield name, codes
    if not name:
        raise ValueError(
            f"A FASTA file must have a record, a line of > and a name, then DNA. Received: {where}, which is empty."
        )
    if empty:
        raise ValueError(_no_letters(where, name))


def one_hot(codes: Codes) -> NDArray[np.float32]:
    """What a network takes: (…, 4), zeros for what isn't known."""
    return _ONE_HOT[codes]


def reverse_complement(codes: Codes) -> Codes:
    """The other strand, in its own direction."""
    return _COMPLEMENT[codes[::-1]]


def window(codes: Codes, first: int, last: int) -> Codes:
    """Bases `first` to `last`, the latter left out; unknown ones where the record has none."""
    inside = codes[max(first, 0) : max(last, 0)]
    if len(inside) == last - first:
        return inside
    found = np.full(last - first, UNKNOWN, np.uint8)
    start = max(-first, 0)
    found[start : start + len(inside)] = inside
    return found


def _lines(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Lines, many at once, and the number of the first; a long line of DNA may be cut, a header is whole."""
    number, header = 1, b""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with gzip.open(raw) if packed else raw as stream:
                while block := stream.read(_PIECE):
                    block = header + block
                    last = block.rfind(b"\n") + 1
                    header = block[last:] if block.startswith(b">", last) else b""
                    block = block[: len(block) - len(header)]
                    yield number, block.splitlines(keepends=True)
                    number += block.count(b"\n")
                if header:
                    yield number, [header]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"A gzipped file must be whole. Received: {path.name}, which is damaged ({error}).") from error


def _wrong_letter(lines: list[bytes], where: str, name: str, number: int) -> str:
    """Tells of the first letter that isn't DNA; the first line has that number."""
    line, letter = next(
        (i, each) for i, text in enumerate(lines) for each in text.translate(None, _BLANK) if _CODES[each] == _WRONG
    )
    said = chr(letter) if 32 < letter < 127 else f"\\x{letter:02x}"
    protein = "; is it protein?" if said.upper() in "EFILPQ" else "."
    return (
        f"DNA must be A, C, G, T, or a letter for several of them ({', '.join(_AMBIGUOUS)}). Received: {said!r} in line "
        f"{number + line:,} of {where}, record {name}{protein}"
    )


def _name(line: bytes, where: str, number: int, names: set[str]) -> str:
    words = line[1:].decode("utf-8", "replace").split()
    if not words:
        raise ValueError(f"A record must have a name behind >. Received: line {number:,} of {where}, which has none.")
    if words[0] in names:
        raise ValueError(
            f"Records must have different names, the first word behind >. Received: {words[0]!r} a second time in line "
            f"{number:,} of {where}."
        )
    names.add(words[0])
    return words[0]


def _no_header(where: str, lines: list[bytes]) -> str:
    text = b"".join(lines).strip()[:20].decode("ascii", "replace")
    kind = "; is it FASTQ?" if text.startswith("@") else "."
    return f"A FASTA file must begin with > and a name. Received: {where}, which begins with {text!r}{kind}"


def _no_letters(where: str, name: str) -> str:
    return f"A record must have DNA. Received: {name} in {where}, which is empty."
