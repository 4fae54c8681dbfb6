"""Classes of sound files: a long one is heard in windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.data.audio import samples_of
from atrous.data.sound import Samples, is_silent, read_header, read_sound, sound_files
from atrous.run import Config
from atrous.spec import parse_integer
from atrous.tasks.audio_classification.batches import padded
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
    predictions = [_one(model, config, file, most) for file in every_file(files)]
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
    """Class probabilities, (n, classes), of n clips of any lengths up to that of an example."""
    rows = []
    for start in range(0, len(clips), batch_size):
        batch = [padded(clip, length) for clip in clips[start : start + batch_size]]
        rows.append(np.asarray(model.predict_on_batch(np.stack(batch)), np.float32))
    return np.concatenate(rows)


def _one(model: keras.Model, config: Config, file: Path, most: int) -> ClassPrediction:
    sound, size = config.facts["sound"], config.recipe.batch_size
    length = samples_of(sound["seconds"], sound["sample_rate"])
    total, windows = np.zeros(len(config.class_names)), 0
    try:
        for clips in _windows(file, sound["sample_rate"], length, sound["silence"]):
            if clips:
                total += probabilities(model, clips, length, size).sum(axis=0, dtype=np.float64)
                windows += len(clips)
    except ValueError as error:
        return ClassPrediction(str(file), error=str(error))
    except OSError as error:
        why = f"`files` must be files that can be read. Received: {str(file)!r}: {error.strerror or error}."
        return ClassPrediction(str(file), error=why)
    if not windows:
        why = f"{str(file)!r} must have something to hear. Received: silence, no sample beyond −80 dB."
        return ClassPrediction(str(file), error=why)
    return predicted(str(file), total / windows, config.class_names, most)


def _windows(file: Path, sample_rate: int, length: int, silence: bool) -> Iterator[list[Samples]]:
    """A file's windows, some at a time, so that hours of sound need no more memory than a minute."""
    seconds = length / sample_rate
    whole = read_header(file).seconds
    last = max(0.0, whole - seconds)
    places = [*np.arange(0.0, last - 0.001 * seconds, seconds).tolist(), last]
    together = max(1, int(_STRETCH / seconds))
    for first in range(0, len(places), together):
        some = places[first : first + together]
        stretch = read_sound(file, sample_rate, start=some[0], seconds=some[-1] + seconds - some[0]).samples
        begins = [round((place - some[0]) * sample_rate) for place in some]
        clips = [stretch[begin : begin + length] for begin in begins]
        yield [clip for clip in clips if len(clip) and (silence or not is_silent(clip))]
