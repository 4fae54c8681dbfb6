"""Classes of sound files: a long one is heard in windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.data.audio import samples_of
from atrous.data.sound import Samples, is_silent, read_header, read_sound, sound_files
from atrous.run import Config
from atrous.spec import parse_integer
from atrous.tasks.classes import ClassPrediction, predicted, write_predictions

_STRETCH = 60.0  # seconds that are read at once


def predict_files(
    model: keras.Model, config: Config, files: Iterable[Path], output: Path | None = None, top: int | None = None
) -> list[ClassPrediction]:
    """Classifies files and the sounds in folders, in order.

    What is longer than an example is heard in windows of that length, one behind the other, the last one at the end; their
    probabilities are averaged. Silent windows are left out, unless silence is what a class of the run is.

    Args:
        model: Of the run.
        config: Of the run: sample rate and length.
        files: Files and folders.
        output: A folder that `predictions.csv` is written to, or such a file.
        top: How many of the most probable classes are told; `None`: the first alone.

    Raises:
        FileNotFoundError: There is no sound in a folder.
        ValueError: `top` is no positive integer.
        OSError: Nothing can be written there.
    """
    most = 0 if top is None else parse_integer("top", top)
    every, sound = every_file(files), config.facts["sound"]
    length = samples_of(sound["seconds"], sound["sample_rate"])
    totals, counts = np.zeros((len(every), len(config.class_names))), np.zeros(len(every), np.int64)
    errors: dict[int, str] = {}
    for places, clips in _batches(every, sound, length, config.recipe.batch_size, errors):
        np.add.at(totals, places, probabilities(model, clips, length, config.recipe.batch_size))
        np.add.at(counts, places, 1)
    predictions = []
    for place, file in enumerate(every):
        why = errors.get(place)
        if why is None and not counts[place]:
            why = f"{str(file)!r} must have something to hear. Received: silence, no sample beyond −80 dB."
        if why is None:
            predictions.append(predicted(str(file), totals[place] / counts[place], config.class_names, most))
        else:
            predictions.append(ClassPrediction(str(file), error=why))
    if output is not None:
        write_predictions(predictions, output, most)
    return predictions


def every_file(files: Iterable[Path]) -> list[Path]:
    """The files, and those in the folders and below.

    Raises:
        FileNotFoundError: There is no sound in a folder.
    """
    found: list[Path] = []
    for path in files:
        inside = sound_files(path) if path.is_dir() else [path]
        if not inside:
            raise FileNotFoundError(f"`files` must be sound files, or folders of them. Received: {str(path)!r}, without any.")
        found += inside
    return found


def probabilities(model: keras.Model, clips: Sequence[Samples], length: int, batch_size: int) -> NDArray[np.float32]:
    """Class probabilities, (n, classes), of up to a batch of clips, of any lengths up to that of an example."""
    batch = np.zeros((batch_size, length), np.float32)  # always as many: one size, one graph
    for row, clip in zip(batch, clips, strict=False):
        row[: len(clip)] = clip
    return np.asarray(model.predict_on_batch(batch), np.float32)[: len(clips)]


def _batches(
    files: Sequence[Path], sound: Mapping[str, Any], length: int, batch_size: int, errors: dict[int, str]
) -> Iterator[tuple[list[int], list[Samples]]]:
    """Windows of all files, some of a file or of several at a time, with the places of their files; fills `errors`."""
    places: list[int] = []
    clips: list[Samples] = []
    for place, file in enumerate(files):
        try:
            for clip in _windows(file, sound["sample_rate"], length, sound["silence"]):
                places.append(place)
                clips.append(clip)
                if len(clips) == batch_size:
                    yield places, clips
                    places, clips = [], []
        except ValueError as error:
            errors[place] = str(error)
        except OSError as error:
            errors[place] = f"`files` must be files that can be read. Received: {str(file)!r}: {error.strerror or error}."
    if clips:
        yield places, clips


def _windows(file: Path, sample_rate: int, length: int, silence: bool) -> Iterator[Samples]:
    """A file's windows; of hours of sound no more than a minute is held."""
    seconds = length / sample_rate
    whole = read_header(file).seconds
    last = max(0.0, whole - seconds)
    places = [*np.arange(0.0, last - 0.001 * seconds, seconds).tolist(), last]
    together = max(1, int(_STRETCH / seconds))
    for first in range(0, len(places), together):
        some = places[first : first + together]
        stretch = read_sound(file, sample_rate, start=some[0], seconds=some[-1] + seconds - some[0]).samples
        begins = [round((place - some[0]) * sample_rate) for place in some]
        clips = (stretch[begin : begin + length] for begin in begins)
        yield from (clip for clip in clips if len(clip) and (silence or not is_silent(clip)))
