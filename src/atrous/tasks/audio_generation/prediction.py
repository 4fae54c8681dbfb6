"""How well a run's model foresees sounds: bits per sample of files."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from atrous.data.recordings import Recording, read_recording
from atrous.data.sound import read_header, sound_files
from atrous.run import Run, replacing
from atrous.tasks.audio_generation.data import Plan
from atrous.tasks.audio_generation.evaluation import bits
from atrous.tasks.audio_generation.recipe import AudioGeneration

COLUMNS = ("file", "seconds", "bits_per_sample")


@dataclass(frozen=True)
class Foreseen:
    """What a model makes of one file.

    Args:
        file: The file.
        seconds: Its length.
        bits_per_sample: See `codes`.
        error: Why there is no figure.
        note: What the user should know of it.
    """

    file: str
    seconds: float | None = None
    bits_per_sample: float | None = None
    error: str | None = None
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything; or why there is nothing."""
        if self.error is not None:
            return {"file": self.file, "error": self.error}
        return {"file": self.file, "seconds": self.seconds, "bits_per_sample": self.bits_per_sample}

    def to_row(self) -> dict[str, str]:
        """A line for people."""
        return {"file": self.file, "seconds": f"{self.seconds:.2f}", "bits per sample": f"{self.bits_per_sample:.3f}"}


def predict(run: Run, files: Iterable[Path], output: Path | None) -> list[Foreseen]:
    """Bits per sample of each file, at the run's sample rate.

    Args:
        run: The run.
        files: Files, and folders of them.
        output: A CSV file to write, or a folder for `bits.csv`.

    Raises:
        FileNotFoundError: There is no sound in a folder.
    """
    recipe, plan = cast(AudioGeneration, run.config.recipe), Plan.of(run.config)
    model = run.load_model()
    found = []
    for file in _every(files):
        try:
            note = _note(file, plan.sample_rate)
            recording: Recording = read_recording(file, plan.sample_rate, recipe.trim)
        except (ValueError, OSError) as error:
            found.append(Foreseen(str(file), error=str(error)))
            continue
        (each,) = bits(model, [recording], recipe, plan)
        found.append(Foreseen(str(file), len(recording) / plan.sample_rate, float(each.mean()), note=note))
    if output is not None and any(each.error is None for each in found):
        place = output if output.suffix.lower() == ".csv" else output / "bits.csv"
        with replacing(place) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows([each.file, each.seconds, each.bits_per_sample] for each in found if each.error is None)
    return found


def _every(files: Iterable[Path]) -> list[Path]:
    every: list[Path] = []
    for path in files:
        inside = sound_files(path) if path.is_dir() else [path]
        if not inside:
            raise FileNotFoundError(f"`files` must be sound, or folders of it. Received: {str(path)!r}, without any.")
        every += inside
    return every


def _note(file: Path, sample_rate: int) -> str | None:
    header = read_header(file)
    if header.sample_rate >= sample_rate:
        return None
    return (
        f"Some files have a lower sample rate than the run's {sample_rate:,} Hz: with nothing above half of it they are easy "
        "to foresee, and their bits say little."
    )
