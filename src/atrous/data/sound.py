"""One sound file as an array: any format that libsndfile knows, at any sample rate.

Decoded by libsndfile (soundfile), resampled by the SoX resampler (soxr); both come with the extra `audio`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.spec import parse_integer

SUFFIXES = frozenset(
    (
        *(".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc"),
        *(".au", ".snd", ".caf", ".w64", ".rf64", ".sph", ".voc"),
    )
)
"""Of files that are taken as sound."""
QUALITY = "HQ"
"""Of the resampler: 20 bits, flat to 0.91 of the lower rate's half."""
_SILENT = 1e-4  # of full scale, −80 dB: below it lies the noise of 14 bits
_CUT = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)  # what libsndfile notes of a WAV file
_UNKNOWN = 0x7FFF0000  # bytes; what was recorded into a pipe claims more

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Sound:
    """What was read.

    Args:
        samples: (n,) of one channel, or (n, channels); −1 … 1, but for float files that say otherwise.
        sample_rate: In Hz.
        source_rate: Of the file.
        source_channels: Of the file.
    """

    samples: Samples
    sample_rate: int
    source_rate: int
    source_channels: int

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / self.sample_rate

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing in it; see `is_silent`."""
        return is_silent(self.samples)


@dataclass(frozen=True)
class Header:
    """What a sound file says of itself.

    Args:
        frames: Samples of each channel.
        sample_rate: In Hz.
        channels: How many.
    """

    frames: int
    sample_rate: int
    channels: int

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames / self.sample_rate


def read_sound(
    path: str | Path, sample_rate: int | None = None, mono: bool = True, start: float = 0.0, seconds: float | None = None
) -> Sound:
    """Reads a sound file, or a stretch of it.

    Args:
        path: A file in one of libsndfile's formats.
        sample_rate: In Hz, to which it is resampled; by default the file's own.
        mono: Whether channels are mixed to one, their mean.
        start: Where to begin, in seconds.
        seconds: How many to read; by default to the end.

    Raises:
        ValueError: It is no sound, empty, damaged, or has samples that aren't finite.
        OSError: It can't be opened.
        ImportError: The extra `audio` isn't installed.
    """
    wanted = None if sample_rate is None else parse_integer("sample_rate", sample_rate)
    with _opened(path) as file:
        rate, channels, frames = file.samplerate, file.channels, file.frames
        first = min(max(0, round(start * rate)), frames)
        count = frames - first if seconds is None else min(frames - first, max(1, round(seconds * rate)))
        try:
            if first:
                file.seek(first)
            samples: Samples = file.read(count, dtype="float32", always_2d=True)
        except _errors() as error:
            raise _damaged(path, str(error)) from None
    if len(samples) < count:
        raise _damaged(path, f"{len(samples):,} samples, where {count:,} should be")
    if not np.isfinite(samples).all():
        at = int(np.argwhere(~np.isfinite(samples).all(axis=1))[0, 0])
        raise ValueError(f"{str(path)!r} must have finite samples. Received: sample {first + at:,} is NaN or infinite.")
    if mono:
        samples = samples[:, 0] if channels == 1 else samples.mean(axis=1, dtype=np.float32)
    return Sound(resample(samples, rate, wanted or rate), wanted or rate, rate, channels)


def read_header(path: str | Path) -> Header:
    """Reads what a file says of itself, and none of its samples; raises as `read_sound` does."""
    with _opened(path) as file:
        return Header(file.frames, file.samplerate, file.channels)


def resample(samples: Samples, rate: int, wanted: int) -> Samples:
    """(n,) or (n, channels) samples at another rate, at least one."""
    if rate == wanted or not len(samples):
        return np.ascontiguousarray(samples)
    try:
        import soxr
    except ImportError:
        raise ImportError("Resampling needs soxr: install it with `pip install 'atrous[audio]'`.") from None
    made: Samples = np.asarray(soxr.resample(samples, rate, wanted, quality=QUALITY), np.float32)
    return made if len(made) else np.ascontiguousarray(samples[:1])


def is_silent(samples: Samples) -> bool:
    """Whether no sample is further than −80 dB of full scale from their mean: there is nothing to be heard in it."""
    return not len(samples) or bool((np.abs(samples - samples.mean(axis=0)) < _SILENT).all())


def sound_files(folder: str | Path) -> list[Path]:
    """The sound files in a folder and below, by their suffix, sorted; names that begin with a dot are left alone."""
    return sorted(path for path in Path(folder).rglob("*") if is_sound(path))


def is_sound(path: Path) -> bool:
    """Whether it is a file that is called as sound is, and not hidden."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _opened(path: str | Path) -> Any:
    """The file, open for reading; it has a sample at least."""
    soundfile = _soundfile()
    open(path, "rb").close()  # the system says best what is wrong with it
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        # An MP3 file that isn't one is "not a regular file" to libsndfile.
        is_mp3 = Path(path).suffix.lower() == ".mp3"
        raise _damaged(path, "Format not recognised" if is_mp3 else error.error_string) from None
    except TypeError:  # "No format specified": of suffix .raw it would be PCM without a header
        raise _damaged(path, "PCM without a header") from None
    cut = _CUT.search(file.extra_info)
    if cut and int(cut[2]) < int(cut[1]) < _UNKNOWN:
        file.close()
        raise _damaged(path, f"a file that was cut off, with {int(cut[2]):,} of {int(cut[1]):,} bytes of sound")
    if file.frames <= 0:
        file.close()
        raise ValueError(f"{str(path)!r} must hold sound. Received: no sample.")
    return file


def _damaged(path: str | Path, why: str) -> ValueError:
    return ValueError(
        f"{str(path)!r} must be sound that can be read, such as WAV, FLAC, Ogg or MP3. Received: {why.rstrip('.')}."
    )


def _errors() -> tuple[type[Exception], ...]:
    soundfile = _soundfile()
    return (soundfile.LibsndfileError, RuntimeError)


def _soundfile() -> Any:
    try:
        import soundfile
    except ImportError:
        raise ImportError("Sound files need soundfile: install it with `pip install 'atrous[audio]'`.") from None
    return soundfile
