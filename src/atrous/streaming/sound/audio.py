"""Sound in and out, block by block: WAV and FLAC files, WAV and raw PCM in pipes.

Files are read and written by libsndfile (soundfile; the extra `audio`). It can't write WAV into a pipe, and reads from one only
when as many samples have come as were asked for; so pipes are done here, where what has come is given at once.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from atrous.run import replacing
from atrous.streaming.sound.encodings import ENCODINGS, Samples, decode, encode, parse_encoding, quantize

SUFFIXES = {".wav": "WAV", ".flac": "FLAC"}
_EXTENSIBLE = 0xFFFE  # WAVE_FORMAT_EXTENSIBLE: the format tag comes later
_UNKNOWN = 0xFFFFFFFF  # the length of what is still being recorded
_PIPE = 65536  # bytes asked for at once: as much as a pipe holds on Linux


# ---- in --------------------------------------------------------------------------------------------------------------------


class Reader:
    """Where sound comes from; `read` until nothing comes.

    Args:
        sample_rate: In Hz; `None` if nobody said.
        channels: Values a sample.
        encoding: A name in `ENCODINGS`.
        frames: How many samples there are; `None` if only the end will tell.
    """

    bytes_lost = 0
    """Bytes at the end that were no whole sample of all channels."""
    raw = False
    """Whether it is PCM without a header."""

    def __init__(self, sample_rate: int | None, channels: int, encoding: str, frames: int | None = None) -> None:
        self.sample_rate, self.channels, self.encoding, self.frames = sample_rate, channels, encoding, frames
        self._ready = np.zeros((0, channels), np.float32)
        self._ended = False

    def read(self, most: int, multiple: int = 1) -> Samples:
        """What has come, as soon as it is a multiple of some number of samples.

        Args:
            most: Samples at most, at least `multiple`.
            multiple: What their number is a multiple of, but for the last ones.

        Returns:
            (time, channels) float32; of length 0 at the end.
        """
        while len(self._ready) < multiple and not self._ended:
            more = self._next(most - len(self._ready))
            self._ended = more is None
            if more is not None:
                self._ready = np.concatenate([self._ready, more]) if len(self._ready) else more
        ready = len(self._ready)
        n = min(ready, most) // multiple * multiple or (ready if self._ended else 0)
        given, self._ready = self._ready[:n], self._ready[n:]
        return given

    def rest(self) -> Samples:
        """What has come but was too little for a multiple."""
        given, self._ready = self._ready, self._ready[:0]
        return given

    def close(self) -> None:
        """Closes the file, if it is one."""

    def _next(self, most: int) -> Samples | None:
        """The next samples, some more or less than `most`; `None` at the end."""
        raise NotImplementedError


class FileReader(Reader):
    """Sound in a file: WAV, FLAC, Ogg and whatever else libsndfile knows."""

    def __init__(self, path: str | Path) -> None:
        soundfile = _soundfile()
        open(path, "rb").close()  # the system says best what is wrong with it
        try:
            self._file = soundfile.SoundFile(path)
        except soundfile.LibsndfileError as error:
            raise ValueError(f"`input` must be a sound file. Received: {str(path)!r}: {error.error_string}") from None
        known = {encoding.subtype: name for name, encoding in ENCODINGS.items()}
        encoding = known.get(self._file.subtype, "s16")
        super().__init__(self._file.samplerate, self._file.channels, encoding, self._file.frames)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _next(self, most: int) -> Samples | None:
        block: Samples = self._file.read(most, dtype="float32", always_2d=True)
        return block if len(block) else None


class PipeReader(Reader):
    """Sound in a pipe, given as it comes: WAV, which says what it is, or raw PCM.

    Args:
        file: An unbuffered binary file: `open(…, "rb", buffering=0)`, `sys.stdin.buffer.raw`.
        encoding: Of raw PCM; WAV is known by its first bytes.
        sample_rate: Of raw PCM.
        channels: Of raw PCM.

    Raises:
        ValueError: It is neither WAV nor was an `encoding` given, or WAV of a kind that isn't known.
    """

    def __init__(
        self, file: Any, encoding: str | None = None, sample_rate: int | None = None, channels: int | None = None
    ) -> None:
        self._file = file
        start = self._exactly(12)
        self.raw = not (len(start) == 12 and start[:4] in (b"RIFF", b"RF64") and start[8:] == b"WAVE")
        self._left: float = np.inf  # bytes of sound to come
        if not self.raw:
            encoding, sample_rate, channels, self._left = self._header()
            start = b""
        elif encoding is None:
            raise ValueError(
                f"`input` must be WAV, or raw PCM whose `encoding` is given: {', '.join(ENCODINGS)}. Received: {start!r} …"
            )
        super().__init__(sample_rate, channels or 1, parse_encoding(encoding))
        self._bytes = start

    def _next(self, most: int) -> Samples | None:
        frame = ENCODINGS[self.encoding].width * self.channels
        more = self._file.read(int(min(max(most * frame - len(self._bytes), 1), self._left, _PIPE))) if self._left else b""
        self._left -= len(more)
        data = self._bytes + more
        whole = len(data) // frame * frame
        self._bytes = data[whole:]
        if whole:
            return decode(data[:whole], self.encoding).reshape(-1, self.channels)
        if not more:
            self.bytes_lost = len(data)
            return None
        return np.zeros((0, self.channels), np.float32)

    def _header(self) -> tuple[str, int, int, float]:
        """Encoding, sample rate, channels and bytes of sound; the next byte is the first of these."""
        found: tuple[int, int, int, int] | None = None
        while len(chunk := self._exactly(8)) == 8:
            size = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data" and found is not None:
                tag, channels, rate, bits = found
                for name, encoding in ENCODINGS.items():
                    if (encoding.tag, 8 * encoding.width) == (tag, bits):
                        return name, rate, channels, size if 0 < size < _UNKNOWN else np.inf
                raise ValueError(
                    f"`input` must be WAV of integers of 16, 24 or 32 bits or floats of 32, if it comes through a pipe. "
                    f"Received: format tag {tag}, {bits} bits."
                )
            body = self._exactly(size + size % 2)
            if chunk[:4] == b"fmt " and len(body) >= 16:
                tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
                if tag == _EXTENSIBLE and len(body) >= 26:
                    tag = int.from_bytes(body[24:26], "little")
                found = tag, channels, rate, bits
        raise ValueError("`input` must be whole WAV. Received: a header without format or without data.")

    def _exactly(self, count: int) -> bytes:
        """So many bytes, or those until the end."""
        data = b""
        while len(data) < count and (more := self._file.read(count - len(data))):
            data += more
        return data


class Resampled(Reader):
    """Another reader's sound at another sample rate, by the SoX resampler (soxr; the extra `audio`).

    Args:
        reader: Of known sample rate.
        sample_rate: Wanted, in Hz.
    """

    def __init__(self, reader: Reader, sample_rate: int) -> None:
        try:
            import soxr
        except ImportError:
            raise ImportError("Resampling needs soxr: install it with `pip install 'atrous[audio]'`.") from None
        if reader.sample_rate is None:
            raise ValueError("`sample_rate` of what is resampled must be known. Received: sample_rate=None.")
        frames = None if reader.frames is None else round(reader.frames * sample_rate / reader.sample_rate)
        super().__init__(sample_rate, reader.channels, reader.encoding, frames)
        self._reader, self.raw = reader, reader.raw
        self._resampler = soxr.ResampleStream(reader.sample_rate, sample_rate, reader.channels, dtype="float32")
        self._over = False

    @property
    def bytes_lost(self) -> int:  # type: ignore[override]
        """Of the other reader."""
        return self._reader.bytes_lost

    def close(self) -> None:
        """Closes the other reader."""
        self._reader.close()

    def _next(self, most: int) -> Samples | None:
        if self._over:
            return None
        block = self._reader.read(most)
        self._over = not len(block)
        made: Samples = self._resampler.resample_chunk(block, last=self._over)
        return made.reshape(-1, self.channels)


# ---- out -------------------------------------------------------------------------------------------------------------------


class Writer(Protocol):
    """Where what a stream gives goes to."""

    def write(self, values: Samples, seconds: Samples) -> None:
        """Appends (steps, channels) values; `seconds` (steps) says when the last sample that each step heard ended."""


class SoundWriter:
    """Appends blocks of sound.

    Args:
        store: Takes (time, channels) samples.
        encoding: What they become; integers clip.
    """

    def __init__(self, store: Callable[[Samples], object], encoding: str) -> None:
        self._store, self._clips = store, encoding != "f32"
        self.clipped = 0
        """How many values were beyond −1 … 1 and couldn't be stored."""
        self.written = 0
        """Samples."""

    def write(self, values: Samples, seconds: Samples | None = None) -> None:
        """Appends (time, channels) samples."""
        if not np.isfinite(values).all():
            at = self.written + int(np.argwhere(~np.isfinite(values))[0, 0])
            raise ValueError(f"Sound must be finite. Received: what the model gives as sample {at} is not.")
        if self._clips:
            self.clipped += int(np.count_nonzero(np.abs(values) > 1))
        self._store(values)
        self.written += len(values)


@contextlib.contextmanager
def sound_file(path: str | Path, sample_rate: int, channels: int, encoding: str = "s16") -> Iterator[SoundWriter]:
    """A new WAV or FLAC file, by its suffix; it replaces `path` when all went well, so that a kill leaves the old file whole.

    Raises:
        ValueError: The suffix is another one, or the format can't hold the encoding.
    """
    soundfile, path = _soundfile(), Path(path)
    kind, subtype = SUFFIXES.get(path.suffix.lower()), ENCODINGS[parse_encoding(encoding)].subtype
    if kind is None or not soundfile.check_format(kind, subtype):
        raise ValueError(
            f"`output` must be a .wav file, or a .flac file of integers. Received: output={str(path)!r}, encoding={encoding!r}."
        )
    try:
        with (
            replacing(path) as temporary,
            soundfile.SoundFile(temporary, "w", sample_rate, channels, subtype, format=kind) as file,
        ):
            yield SoundWriter(lambda samples: file.write(quantize(samples, encoding)), encoding)
    except soundfile.LibsndfileError as error:
        raise OSError(f"{str(path)!r} could not be written; is the disk full? {error.error_string}") from error


def pcm(file: BinaryIO, encoding: str) -> SoundWriter:
    """Raw PCM into a pipe, each block at once."""

    def store(samples: Samples) -> None:
        file.write(encode(samples, encoding))
        file.flush()

    return SoundWriter(store, parse_encoding(encoding))


def wav(file: BinaryIO, sample_rate: int, channels: int, encoding: str) -> SoundWriter:
    """WAV of unknown length into a pipe, each block at once."""
    writer, (width, _, tag) = pcm(file, encoding), ENCODINGS[encoding]
    frame = width * channels
    form = struct.pack("<HHIIHH", tag, channels, sample_rate, sample_rate * frame, frame, 8 * width)
    unknown = struct.pack("<I", _UNKNOWN)
    file.write(b"RIFF" + unknown + b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + unknown)
    file.flush()
    return writer


def _soundfile() -> Any:
    try:
        import soundfile
    except ImportError:
        raise ImportError("Sound files need soundfile: install it with `pip install 'atrous[audio]'`.") from None
    return soundfile
