"""Which files of a folder are what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from atrous.data import fasta
from atrous.data.fasta import Record, read_fasta
from atrous.tasks.sequence_labelling.recipe import SequenceLabelling

_TABLES = (".tsv", ".csv", ".bed")
_NOT_FOUND = "`{0}` must be a FASTA file, or a folder with one ({1}). Received: {0}={2!r}, {3}."


def fasta_files(path: Path, name: str = "data") -> list[Path]:
    """FASTA of a folder, or the file itself.

    Args:
        path: File or folder.
        name: What it is called if there is none.

    Raises:
        FileNotFoundError: There is none.
    """
    if path.is_file():
        return [path]
    kinds = ", ".join(fasta.SUFFIXES[::2])
    if not path.exists():
        raise FileNotFoundError(_NOT_FOUND.format(name, kinds, str(path), "which isn't there"))
    files = sorted(each for each in path.iterdir() if each.name.lower().endswith(fasta.SUFFIXES))
    if not files:
        raise FileNotFoundError(_NOT_FOUND.format(name, kinds, str(path), "a folder without FASTA"))
    return files


def tables_of(folder: Path, recipe: SequenceLabelling) -> dict[str, Path]:
    """The files of sites and, if there is one, of splits.

    Raises:
        ValueError: There are several that may be it.
        FileNotFoundError: There is none.
    """
    found: dict[str, Path] = {}
    for name in ("sites", "splits"):
        given = getattr(recipe, name)
        if given is not None:
            found[name] = folder / given  # an absolute path stays what it is
            if not found[name].is_file():
                raise FileNotFoundError(
                    f"`{name}` must be a file, here or in the folder of the FASTA. Received: {name}={given!r}."
                )
    tables = sorted(each for each in folder.iterdir() if each.name.lower().removesuffix(".gz").endswith(_TABLES))
    splits = next((each for each in tables if each.name.lower().startswith(("splits.", "split."))), None)
    if splits is not None:
        found.setdefault("splits", splits)
    if "sites" not in found:
        rest = [each for each in tables if each not in (splits, found.get("splits"))]
        named = [each for each in rest if each.name.lower().startswith("sites.")] or rest
        if len(named) != 1:
            listed = ", ".join(each.name for each in named) or "none"
            kind = ValueError if named else FileNotFoundError
            raise kind(
                f"`data` must have one table of sites, sites.tsv or sites.bed. Received: {listed} in {str(folder)!r}. Name "
                "it: --sites FILE"
            )
        found["sites"] = named[0]
    return found


def read_records(files: Sequence[Path]) -> tuple[list[Record], list[str]]:
    """All records of some files, and what is to be said of their letters."""
    records: list[Record] = []
    notes: list[str] = []
    for file in files:
        found, said = read_fasta(file)
        twice = {each.name for each in found} & {each.name for each in records}
        if twice:
            raise ValueError(
                f"Records must have different names. Received: {sorted(twice)[0]!r} in {file.name} and in another file."
            )
        records += found
        notes += said
    return records, notes
