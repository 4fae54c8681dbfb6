"""Which sound files a data set has, of which class and part: a folder a class, or a CSV file that lists them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atrous.data.sound import is_sound, sound_files

PARTS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
"""What parts are called, in small letters."""
FILE_NAMES = ("path", "file", "filename", "file_name", "filepath", "wav", "audio", "clip", "slice_file_name", "fname")
LABEL_NAMES = ("label", "class", "category", "class_name", "classname", "target")
SPLIT_NAMES = ("split", "part", "subset", "set", "partition")
_LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}  # of Speech Commands
_BESIDE = ("audio", "clips", "wavs", "wav", "sounds")  # folders that files of a list lie in, if it names none


@dataclass(frozen=True)
class Columns:
    """What a user says of a list's columns; the rest is found by names.

    Args:
        file: Path of the sound, relative to the list.
        label: Class.
        split: Part.
    """

    file: str | None = None
    label: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class Clip:
    """A sound file that has a class.

    Args:
        file: The file.
        label: Name of the class.
        name: What the example is called: its path in the data set.
    """

    file: Path
    label: str
    name: str


@dataclass
class Found:
    """What is listed; nothing is decoded yet.

    Args:
        name: Of the data set.
        parts: Clips of each part that is given: "train", and perhaps "validation", "test".
        skipped: What can't be an example, and why.
        notes: What else is to be told.
    """

    name: str
    parts: dict[str, list[Clip]]
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_clips(source: str | Path, columns: Columns = Columns()) -> Found:
    """Finds the clips of a data set.

    A CSV file has a line of names and a row a clip: its path, its class, and perhaps its part. A folder is read by such a file
    in it, if there is just one with these columns, or a column is named; else it has one sub-folder a class, perhaps in
    folders `train`, `validation` (or `val`) and `test`. `validation_list.txt` and `testing_list.txt` beside the classes name
    the clips of these parts, as Speech Commands has them. Folders whose names begin with a dot or `_` are left alone.

    Args:
        source: A folder or CSV file.
        columns: What is said of the CSV file's columns.

    Raises:
        FileNotFoundError: There is no such folder or file.
        ValueError: It holds no such data, or breaks their rules.
    """
    source = Path(source).expanduser()
    if is_list(source):
        return _listed(source, source.stem, columns)
    lists = lists_in(source)
    told = any((columns.file, columns.label, columns.split))
    fitting = [path for path in lists if told or _fits(path)]
    if len(fitting) > 1:
        names = ", ".join(path.name for path in fitting)
        raise ValueError(f"`data` must be one CSV file where a folder has several. Received: {str(source)!r} with {names}.")
    if fitting:
        return _listed(fitting[0], source.name, columns)
    if told:
        raise ValueError(f"`file`, `label` and `split` are columns of a CSV file. Received: {str(source)!r}, without one.")
    return _foldered(source)


# ---- a folder a class ------------------------------------------------------------------------------------------------------


def _foldered(root: Path) -> Found:
    given = _parts(root)
    found = Found(root.name, {})
    others: list[Path] = []
    for part, folder in given.items():
        found.parts[part] = []
        for path in _folders(folder):
            files = sound_files(path)
            if not files:
                raise ValueError(
                    f"{str(path)!r} must hold sound (.wav, .flac, .ogg, .mp3, …). Received: no such file. Add some, "
                    "or remove the folder."
                )
            found.parts[part] += [Clip(file, path.name, file.relative_to(root).as_posix()) for file in files]
            others += [each for each in sorted(path.rglob("*")) if each.is_file() and not each.name.startswith(".")]
        others = [each for each in others if not is_sound(each)]
    if others:
        name = others[0].relative_to(root).as_posix()
        found.notes.append(f"{len(others)} file(s) that aren't sound by name were left alone, such as {name!r}.")
    left = [path.name for path in root.iterdir() if path.is_dir() and path.name.startswith("_")]
    if left:
        found.notes.append(f"Left alone, because of the _ in front: {', '.join(sorted(left))}.")
    classes = sorted({clip.label for clip in found.parts["train"]})
    if len(classes) < 2:
        loose = sum(is_sound(path) for path in given["train"].iterdir())
        raise ValueError(
            f"{str(given['train'])!r} must hold one sub-folder of sounds for each of at least two classes, or a CSV file with "
            f"columns for path and label. Received: {len(classes)} sub-folder(s) {classes}"
            f"{f' and {loose} sounds outside of them' if loose else ''}."
        )
    if set(given) == {"train"}:
        _by_lists(root, found)
    return found


def _parts(root: Path) -> dict[str, Path]:
    folders = _folders(root)
    names = [path.name.lower() for path in folders]
    # With any other name beside them they are classes: a train is also a sound.
    if "train" not in names or not set(names) <= set(PARTS):
        return {"train": root}
    parts = {PARTS[name]: path for name, path in zip(names, folders, strict=True)}
    if len(parts) < len(folders):
        raise ValueError(f"{str(root)!r} must hold each part once. Received: {[path.name for path in folders]}. Rename one.")
    return parts


def _by_lists(root: Path, found: Found) -> None:
    """Moves to validation and test what their lists name."""
    for part, name in _LISTS.items():
        if (root / name).is_file():
            named = set((root / name).read_text("utf-8").split())
            found.parts[part] = [clip for clip in found.parts["train"] if clip.name in named]
            found.parts["train"] = [clip for clip in found.parts["train"] if clip.name not in named]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._")


# ---- a list ----------------------------------------------------------------------------------------------------------------


def _listed(file: Path, name: str, columns: Columns) -> Found:
    header, rows = read_list(file)
    path_at = column_at(header, "file", columns.file, FILE_NAMES, file)
    label_at = column_at(header, "label", columns.label, LABEL_NAMES, file)
    split_at = column_at(header, "split", columns.split, SPLIT_NAMES, file, needed=False)
    found, first = Found(name, {}), dict[Path, int]()
    for row, cells in rows:
        where = f"row {row} of {file.name}"
        cells = [*cells, *[""] * (len(header) - len(cells))]
        path, label = cells[path_at].strip(), cells[label_at].strip()
        if not path or not label:
            found.skipped.append((where, f"{where} must have a path and a label. Received: {path!r}, {label!r}."))
            continue
        target = located(file.parent, path)
        if target is None:
            found.skipped.append((path, f"{path!r}, {where}, must be a file. Received: there is none."))
        elif target in first:
            found.skipped.append((path, f"{path!r} must be listed once. Received: rows {first[target]} and {row}."))
        else:
            first[target] = row
            part = "train" if split_at is None else part_of(cells[split_at], where)
            found.parts.setdefault(part, []).append(Clip(target, label, path))
    if not first:
        why = f" First: {found.skipped[0][1]}" if found.skipped else ""
        raise ValueError(f"{str(file)!r} must list sound files. Received: none that exists.{why}")
    if not found.parts.get("train"):
        raise ValueError(f"{str(file)!r} must have clips of the part 'train'. Received: {', '.join(found.parts)}.")
    if len({clip.label for clip in found.parts["train"]}) < 2:
        raise ValueError(
            f"{str(file)!r} must have at least two classes. Received: {found.parts['train'][0].label!r} alone in column "
            f"{header[label_at]!r}. Name another: --label COLUMN"
        )
    return found


def located(folder: Path, path: str) -> Path | None:
    """Where the file is: as it is named, or in the folder where sounds usually are."""
    tried: Iterator[Path] = (base / path for base in (folder, *(folder / name for name in _BESIDE)))
    return next((each for each in tried if each.is_file()), None)


def part_of(cell: str, where: str) -> str:
    """Which part a cell of a list names; `where` says which cell it is."""
    part = PARTS.get(cell.strip().lower())
    if part is None:
        raise ValueError(f"Parts must be called train, validation or test. Received: {cell.strip()!r}, {where}.")
    return part


def is_list(source: Path) -> bool:
    """Whether data are a CSV file that lists sounds; else they are a folder.

    Raises:
        FileNotFoundError: They are neither.
        ValueError: It is another file.
    """
    if not source.exists():
        raise FileNotFoundError(f"`data` must be a folder or CSV file that exists. Received: data={str(source)!r}.")
    if source.is_file() and source.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise ValueError(f"`data` must be a folder of sounds, or a CSV file that lists them. Received: data={str(source)!r}.")
    return source.is_file()


def lists_in(folder: Path) -> list[Path]:
    """The files of a folder that may list sounds, sorted."""
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".csv", ".tsv") and path.is_file()]


def read_list(file: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Names of columns, and rows with their lines' numbers."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            head = opened.readline()
            separator = max(",;\t|", key=head.count)
            opened.seek(0)
            reader = csv.reader(opened, delimiter=separator)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{str(file)!r} must be CSV in UTF-8 with one line of names. Received: {error}.") from error
    if not rows:
        raise ValueError(f"{str(file)!r} must have a line of names and rows. Received: nothing.")
    return rows[0][1], rows[1:]


def _fits(file: Path) -> bool:
    try:
        lower = [name.lower() for name in read_list(file)[0]]
    except ValueError:
        return False
    return any(name in lower for name in FILE_NAMES) and any(name in lower for name in LABEL_NAMES)


def column_at(
    header: Sequence[str], argument: str, said: str | None, names: Sequence[str], file: Path, needed: bool = True
) -> Any:
    """Place of a column."""
    if said is not None:
        if said not in header:
            raise ValueError(f"`{argument}` must be a column. Received: {said!r}, but {file.name} has {', '.join(header)}.")
        return list(header).index(said)
    lower = [name.lower() for name in header]
    for name in names:
        if name in lower:
            return lower.index(name)
    if needed:
        raise ValueError(
            f"{file.name} must have a column for {argument}. Received: {', '.join(header)}. Name it: --{argument} COLUMN"
        )
    return None
