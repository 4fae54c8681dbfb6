"""Image files that a user names: one by one, or by their folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from atrous.data.images import EXTENSIONS


def image_files(images: Iterable[str | Path]) -> list[Path]:
    """Returns the files, and those in the folders and below, sorted.

    Raises:
        FileNotFoundError: There is no image in a folder.
    """
    files: list[Path] = []
    for path in map(Path, images):
        if not path.is_dir():
            files.append(path)
            continue
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in EXTENSIONS and file.is_file())
        if not found:
            raise FileNotFoundError(f"`images` must be image files, or folders of them. Received: {str(path)!r}, without any.")
        files += found
    return files
