"""Sound in and out: encodings, files, pipes, another sample rate."""

import io
import os
import resource
import struct
import threading
import wave

import numpy as np
import pytest
import soundfile
import soxr

from atrous.streaming.sound import audio
from atrous.streaming.sound.encodings import ENCODINGS, decode, encode

STEP = {"s16": 2.0**-15, "s24": 2.0**-23, "s32": 2.0**-24, "f32": 0.0}
"""What a value between two storable ones may be off by, twice; of s32 it is float32 that rounds."""


def sound(frames, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(-1, 0.99, (frames, channels)).astype("float32")


def read_all(reader, most=100, multiple=1):
    blocks = [reader.read(most, multiple)]
    while len(blocks[-1]):
        blocks.append(reader.read(most, multiple))
    return np.concatenate(blocks)


@pytest.fixture
def pipe():
    """A reader's end, unbuffered, and a writer's."""
    read, write = (os.fdopen(fd, mode, buffering=0) for fd, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
    yield read, write
    read.close()
    write.close()


# ---- encodings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "data", "value"),
    [
        ("s16", b"\x00\x80", -1.0),
        ("s16", b"\xff\x7f", 32767 / 32768),
        ("s24", b"\x00\x00\x80", -1.0),
        ("s24", b"\x01\x00\x00", 2.0**-23),
        ("s24", b"\xff\xff\xff", -(2.0**-23)),
        ("s32", b"\x00\x00\x00\xc0", -0.5),
        ("f32", struct.pack("<f", 1.5), 1.5),
    ],
)
def test_bytes_are_samples(encoding, data, value):
    assert decode(data, encoding).tolist() == [value]
    assert encode(np.array([value], "float32"), encoding) == data


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_cannot_be_stored_is_rounded_and_clipped(encoding):
    x = sound(1000)[:, 0]
    assert np.abs(decode(encode(x, encoding), encoding) - x).max() <= STEP[encoding] / 2
    loud = decode(encode(np.array([2.0, -2.0], "float32"), encoding), encoding)
    assert loud.tolist() == [2, -2] if encoding == "f32" else (0.9999 < loud[0] <= 1 and loud[1] == -1)


# ---- files -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("encoding", "name"), [*((e, "x.wav") for e in ENCODINGS), ("s16", "x.flac"), ("s24", "x.FLAC")])
def test_a_file_is_what_was_written(encoding, name, tmp_path):
    x = sound(1000, 2)
    with audio.sound_file(tmp_path / "new" / name, 44100, 2, encoding) as writer:
        writer.write(x[:300])
        writer.write(x[300:])
    data, rate = soundfile.read(tmp_path / "new" / name)
    assert rate == 44100
    assert soundfile.info(tmp_path / "new" / name).subtype == ENCODINGS[encoding].subtype
    assert np.abs(data - x).max() <= STEP[encoding] / 2
    reader = audio.FileReader(tmp_path / "new" / name)
    assert (reader.sample_rate, reader.channels, reader.encoding, reader.frames) == (44100, 2, encoding, 1000)
    np.testing.assert_array_equal(read_all(reader, 128, 128), data.astype("float32"))
    reader.close()


def test_integers_clip_and_that_is_counted(tmp_path):
    with audio.sound_file(tmp_path / "x.wav", 8000, 1, "s16") as writer:
        writer.write(np.array([[1.5], [-3.0], [0.5]], "float32"))
    assert writer.clipped == 2
    assert soundfile.read(tmp_path / "x.wav")[0].tolist() == [32767 / 32768, -1, 0.5]


def test_a_file_that_is_not_finished_leaves_the_old_one(tmp_path):
    """At every moment: whatever kills the writing, the old file is whole; after an error nothing is left of the new one."""
    path = tmp_path / "x.wav"
    path.write_bytes(b"old")

    def fail():
        with audio.sound_file(path, 8000, 1) as writer:
            writer.write(sound(100_000))
            assert path.read_bytes() == b"old"
            assert len(list(tmp_path.iterdir())) == 2
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match="could not be written; is the disk full"), audio.sound_file(path, 8000, 1) as writer:
            writer.write(sound(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_sound_is_made_of_nan(tmp_path):
    writer = audio.pcm(io.BytesIO(), "f32")
    writer.write(sound(10))
    with pytest.raises(ValueError, match=r"Sound must be finite. Received: what the model gives as sample 12 is not"):
        writer.write(np.array([[0], [0], [np.nan]], "float32"))


@pytest.mark.parametrize(("name", "encoding"), [("x.mp3", "s16"), ("x", "s16"), ("x.flac", "f32"), ("x.wav", "s8")])
def test_files_that_are_not_written(name, encoding, tmp_path):
    with pytest.raises(ValueError, match=r"`output` must be a .wav file|`encoding` must be one of s16"):  # noqa: SIM117
        with audio.sound_file(tmp_path / name, 8000, 1, encoding):
            pass


def test_files_that_are_not_read(tmp_path):
    (tmp_path / "x.wav").write_bytes(b"no sound at all")
    with pytest.raises(ValueError, match=r"`input` must be a sound file. Received: '.*x.wav'"):
        audio.FileReader(tmp_path / "x.wav")
    with pytest.raises(FileNotFoundError):
        audio.FileReader(tmp_path / "y.wav")


# ---- pipes -----------------------------------------------------------------------------------------------------------------


def test_a_pipe_gives_what_has_come(pipe):
    read, write = pipe
    x = sound(64, 2)
    data = encode(x, "f32")
    write.write(data[: 8 * 10 + 3])  # the eleventh frame isn't whole
    reader = audio.PipeReader(read, "f32", 16000, 2)
    np.testing.assert_array_equal(reader.read(100), x[:10])
    write.write(data[8 * 10 + 3 : 8 * 31])
    np.testing.assert_array_equal(reader.read(8), x[10:18])
    np.testing.assert_array_equal(reader.read(100, 4), x[18:30])
    later = threading.Timer(0.1, lambda: (write.write(data[8 * 31 : 8 * 63 + 5]), write.close()))
    later.start()
    np.testing.assert_array_equal(reader.read(100, 16), x[30:62])  # waits for as many
    later.join()
    np.testing.assert_array_equal(reader.read(100, 16), x[62:63])  # and takes fewer at the end
    assert not len(reader.read(100))
    assert reader.bytes_lost == 5
    assert reader.raw


@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_wav_says_what_it_is(encoding, kind):
    x, file = sound(500, 2), io.BytesIO()
    soundfile.write(file, x, 22050, ENCODINGS[encoding].subtype, format=kind)
    expected = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")[0]
    file.seek(0)
    reader = audio.PipeReader(file, "s16", 1, 1)  # what raw PCM would be is nothing to WAV
    assert (reader.sample_rate, reader.channels, reader.encoding, reader.raw) == (22050, 2, encoding, False)
    np.testing.assert_array_equal(read_all(reader), expected)


def test_what_follows_the_sound_in_wav_is_not_sound():
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, 8000, 0, "NONE", ""))
        written.writeframes(encode(sound(101)[:, 0], "s16"))
    data = file.getvalue()
    chunk = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # of odd length: a byte is put behind it
    reader = audio.PipeReader(io.BytesIO(data[:12] + chunk + data[12:] + chunk))
    assert len(read_all(reader)) == 101
    assert reader.bytes_lost == 0


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_wav_into_a_pipe_is_read_by_others(encoding, tmp_path):
    x, file = sound(300, 2), io.BytesIO()
    writer = audio.wav(file, 16000, 2, encoding)
    writer.write(x[:200])
    writer.write(x[200:])
    file.seek(0)
    assert np.abs(read_all(audio.PipeReader(file)) - x).max() <= STEP[encoding] / 2
    data, rate = soundfile.read(io.BytesIO(file.getvalue()))  # it takes the length from the file
    assert (len(data), rate) == (300, 16000)
    assert np.abs(data - x).max() <= STEP[encoding] / 2


@pytest.mark.parametrize(
    ("data", "encoding", "answer"),
    [
        (b"what is this?", None, "must be WAV, or raw PCM whose `encoding` is given"),
        (b"", None, "must be WAV, or raw PCM whose `encoding` is given"),
        (b"\0" * 40, "s8", "`encoding` must be one of s16, s24, s32, f32"),
        (b"RIFF\0\0\0\0WAVE", None, "must be whole WAV"),
        (b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x07\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\0\0\0", None, "tag 7, 8 bits"),
    ],
)
def test_pipes_that_hold_no_sound(data, encoding, answer):
    with pytest.raises(ValueError, match=answer):
        audio.PipeReader(io.BytesIO(data), encoding)


# ---- another sample rate ---------------------------------------------------------------------------------------------------


def test_blocks_are_resampled_as_the_whole(tmp_path):
    x = sound(3000, 2)
    soundfile.write(tmp_path / "x.wav", x, 24000, "FLOAT")
    reader = audio.Resampled(audio.FileReader(tmp_path / "x.wav"), 16000)
    assert (reader.sample_rate, reader.frames, reader.channels) == (16000, 2000, 2)
    found = read_all(reader, 160, 160)
    expected = soxr.resample(x, 24000, 16000)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    reader.close()
