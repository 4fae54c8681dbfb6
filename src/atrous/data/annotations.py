"""What is said of places on DNA: rows of a table with a header, or of BED, and the records that they name."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_LISTED = 3


def text_of(path: Path) -> str:
    """The text of a file, plain or gzipped.

    Raises:
        ValueError: It isn't text, or damaged.
    """
    raw = path.read_bytes()
    try:
        return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise ValueError(
            f"A table must be text, plain or gzipped. Received: {path.name}, which can't be read ({error})."
        ) from error


def rows_of(path: Path, columns: Sequence[str], bed: Mapping[str, int]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a table with a header, or of BED, with the number of their line.

    Args:
        path: The file; it is BED if its name says so.
        columns: That a table must have.
        bed: Place of each column in BED.

    Raises:
        ValueError: A column is missing.
    """
    lines = text_of(path).splitlines()
    if is_bed(path):
        for number, line in enumerate(lines, 1):
            cells = line.split("\t") if "\t" in line else line.split()
            if not cells or line.startswith(("#", "track", "browser")):
                continue
            if len(cells) <= max(bed.values()):
                raise ValueError(
                    f"A line of BED must have {max(bed.values()) + 1} columns here, {', '.join(bed)} among them. Received: "
                    f"{len(cells)} in line {number:,} of {path.name}."
                )
            yield number, {name: cells[place].strip() for name, place in bed.items()}
        return
    first = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), 0)
    reader = csv.reader(
        io.StringIO("\n".join(lines[first:])), delimiter="\t" if "\t" in "".join(lines[first : first + 1]) else ","
    )
    header = [name.strip().lower() for name in next(reader, [])]
    missing = [name for name in columns if name not in header]
    if missing:
        raise ValueError(
            f"The first line of a table must name its columns, {', '.join(columns)} among them. Received: {path.name} with "
            f"{', '.join(map(repr, header[:8])) or 'nothing'}."
        )
    for number, cells in enumerate(reader, first + 2):
        if any(cell.strip() for cell in cells):
            yield number, {name: cell.strip() for name, cell in zip(header, cells, strict=False)}


def is_bed(path: Path) -> bool:
    """Whether the name of a file says that it is BED."""
    return path.name.removesuffix(".gz").lower().endswith(".bed")


def integer_of(value: str | None, what: str, where: str) -> int:
    """A number of a cell.

    Raises:
        ValueError: It is none.
    """
    try:
        return int(value or "")
    except ValueError:
        raise ValueError(f"`{what}` must be an integer. Received: {value!r} in {where}.") from None


def record_of(name: str | None, names: Sequence[str], where: str) -> int:
    """Which record is named.

    Raises:
        ValueError: There is none of that name, or several and no name.
    """
    if name in names:
        return names.index(name)
    listed = ", ".join(names[:_LISTED]) + ", …" * (len(names) > _LISTED)
    if not name:
        if len(names) == 1:
            return 0
        raise ValueError(f"With several records each site must name its own, in a column `record`. Received: none in {where}.")
    bare = [each.lower().removeprefix("chr") for each in names]
    hint = " One has chr before its name, the other hasn't." if name.lower().removeprefix("chr") in bare else ""
    raise ValueError(f"`record` must be one of the FASTA, {listed}. Received: {name!r} in {where}.{hint}")
