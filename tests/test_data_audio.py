"""Sound files and data sets of clips: formats, rates, channels, parts, and what is wrong with them."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import clips
from atrous.data import audio
from atrous.data.audio import default_seconds, load_audio
from atrous.data.clips import Columns, find_clips
from atrous.data.sound import is_silent, read_header, read_sound, resample, sound_files

TONE = clips.tone(440, 0.5)


# ---- one file --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "error"), [(".wav", 1e-4), (".flac", 1e-4), (".aiff", 1e-4), (".ogg", 0.05)])
def test_formats_are_read(tmp_path, suffix, error):
    sound = read_sound(clips.write(tmp_path / f"a{suffix}", TONE))
    assert (sound.sample_rate, sound.source_rate, sound.source_channels, sound.seconds) == (8000, 8000, 1, 0.5)
    assert sound.samples.dtype == np.float32
    np.testing.assert_allclose(sound.samples, TONE, atol=error)


def test_channels_are_mixed_or_kept(tmp_path):
    both = np.stack([TONE, -0.5 * TONE], axis=1)
    file = clips.write(tmp_path / "a.wav", both, subtype="FLOAT")
    np.testing.assert_allclose(read_sound(file).samples, 0.25 * TONE, atol=1e-7)
    sound = read_sound(file, 4000, mono=False)
    assert sound.samples.shape == (2000, 2)
    assert sound.source_channels == 2


def test_what_is_resampled_is_the_same_sound(tmp_path):
    file = clips.write(tmp_path / "a.wav", clips.tone(440, 1.0, 44100), 44100, subtype="FLOAT")
    sound = read_sound(file, 8000)
    expected = clips.tone(440, 1.0, 8000)
    assert len(sound.samples) == 8000
    inside = slice(400, -400)
    assert np.abs(sound.samples[inside] - expected[inside]).max() < 0.04  # the noise is another


def test_a_stretch_is_read(tmp_path):
    file = clips.write(tmp_path / "a.flac", TONE)
    np.testing.assert_array_equal(read_sound(file, start=0.1, seconds=0.2).samples, read_sound(file).samples[800:2400])
    assert len(read_sound(file, start=0.4, seconds=9.0).samples) == 800
    header = read_header(file)
    assert (header.frames, header.sample_rate, header.channels, header.seconds) == (4000, 8000, 1, 0.5)


@given(st.integers(1, 50), st.sampled_from([8000, 11025, 16000, 44100]), st.sampled_from([4000, 8000, 16000, 48000]))
def test_resampling_leaves_something(count, rate, wanted):
    made = resample(np.ones(count, np.float32), rate, wanted)
    assert 1 <= len(made) <= math.ceil(count * wanted / rate) + 1
    assert made.dtype == np.float32


def test_silence():
    assert is_silent(np.zeros(5, np.float32))
    assert is_silent(np.full(5, 0.5, np.float32))  # an offset can't be heard
    assert is_silent(np.zeros(0, np.float32))
    assert not is_silent(0.001 * TONE)


def test_what_is_wrong_with_a_file_is_told(tmp_path):
    whole = clips.write(tmp_path / "whole.flac", TONE).read_bytes()
    (tmp_path / "half.flac").write_bytes(whole[: len(whole) // 2])
    wav = clips.write(tmp_path / "whole.wav", TONE).read_bytes()
    (tmp_path / "cut.wav").write_bytes(wav[:5044])
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "text.mp3").write_text("no sound")
    clips.write(tmp_path / "empty.wav", TONE[:0])
    bad = TONE.copy()
    bad[7] = np.nan
    clips.write(tmp_path / "nan.wav", bad, subtype="FLOAT")
    for name, why in {
        "half.flac": r"half.flac' must be sound that can be read.*Received: .+",
        "cut.wav": r"a file that was cut off, with 5,000 of 8,000 bytes of sound\.",
        "text.wav": r"Received: Format not recognised\.",
        "text.mp3": r"Received: Format not recognised\.",
        "empty.wav": r"must hold sound. Received: no sample\.",
        "nan.wav": r"must have finite samples. Received: sample 7 is NaN or infinite\.",
    }.items():
        with pytest.raises(ValueError, match=why) as told:
            read_sound(tmp_path / name)
        assert "\n" not in str(told.value)
    with pytest.raises(FileNotFoundError):
        read_sound(tmp_path / "none.wav")


def test_a_wav_file_from_a_pipe_may_not_know_its_length(tmp_path):
    wav = bytearray(clips.write(tmp_path / "a.wav", TONE).read_bytes())
    wav[4:8] = wav[40:44] = b"\xff" * 4
    (tmp_path / "a.wav").write_bytes(wav)
    assert len(read_sound(tmp_path / "a.wav").samples) == len(TONE)


def test_files_are_found_by_their_suffix(tmp_path):
    for name in ("b.WAV", "deep/a.ogg", ".hidden.wav", "c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert sound_files(tmp_path) == [tmp_path / "b.WAV", tmp_path / "deep" / "a.ogg"]


# ---- a data set ------------------------------------------------------------------------------------------------------------


def named(split):
    return sorted(split.name(i) for i in range(len(split)))


def test_a_folder_a_class(tmp_path):
    data = load_audio(clips.folder(tmp_path / "sounds", 10), seed=3)
    assert (data.name, data.class_names, data.sample_rate, data.silence) == ("sounds", ("chirp", "high", "low"), 8000, False)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [24, 3, 3]
    assert sorted(data.test.labels) == [0, 1, 2]
    every = named(data.train) + named(data.validation) + named(data.test)
    assert len(set(every)) == 30
    assert named(load_audio(tmp_path / "sounds", seed=3).test) == named(data.test)
    assert named(load_audio(tmp_path / "sounds", seed=4).test) != named(data.test)
    for i in range(len(data.test)):
        assert data.class_names[data.test.labels[i]] == data.test.name(i).split("/")[0]
        assert data.test.seconds[i] == pytest.approx(len(data.test.window(i, 10**6)) / 8000)
    assert data.train.levels == pytest.approx(0.3 / math.sqrt(2), rel=0.01)


def test_parts_in_folders(tmp_path):
    for part, each in {"train": 4, "val": 2, "test": 3}.items():
        clips.folder(tmp_path / part, each)
    data = load_audio(tmp_path)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [12, 6, 9]
    assert all(name.startswith("test/") for name in named(data.test))


def test_lists_of_speech_commands(tmp_path):
    clips.folder(tmp_path, 4)
    clips.write(tmp_path / "_background_noise_" / "hum.wav", TONE)
    (tmp_path / "validation_list.txt").write_text("low/0.wav\nhigh/0.flac\n")
    (tmp_path / "testing_list.txt").write_text("low/1.wav\nchirp/1.wav\n")
    data = load_audio(tmp_path)
    assert named(data.validation) == ["high/0.flac", "low/0.wav"]
    assert named(data.test) == ["chirp/1.wav", "low/1.wav"]
    assert any("_background_noise_" in note for note in data.notes)


def write_list(file, rows):
    file.write_text("\n".join(rows) + "\n", "utf-8")
    return file


def test_a_list_with_parts(tmp_path):
    clips.folder(tmp_path, 4)
    rows = [f"{name}/{i}.{'flac' if name == 'high' else 'wav'}" for name in ("low", "high", "chirp") for i in range(4)]
    parts = ["train", "Training", "dev", "test"]
    lines = [f"{row},{row.split('/')[0].upper()},{part}" for row, part in zip(rows, parts * 3, strict=True)]
    write_list(tmp_path / "list.csv", ["\ufeffpath,label,split", *lines])
    data = load_audio(tmp_path)
    assert data.class_names == ("CHIRP", "HIGH", "LOW")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [6, 3, 3]
    assert named(load_audio(tmp_path / "list.csv").test) == named(data.test)


def test_columns_by_name_or_as_said_and_numbers_as_classes(tmp_path):
    for i in range(12):
        clips.write(tmp_path / "audio" / f"{i}.wav", clips.tone(300, seed=i))
    rows = [f"{i}.wav;{i % 2 + 9};{'ab'[i % 2]}" for i in range(12)]
    file = write_list(tmp_path / "meta.csv", ["filename;target;kind", *rows])
    assert load_audio(file).class_names == ("9", "10")
    assert load_audio(tmp_path, columns=Columns(label="kind")).class_names == ("a", "b")
    with pytest.raises(ValueError, match=r"`label` must be a column. Received: 'sort', but meta.csv has filename, "):
        load_audio(file, columns=Columns(label="sort"))


def test_rows_that_are_no_clips_are_left_out_and_named(tmp_path):
    clips.folder(tmp_path, 4)
    names = [f"{name}/{i}.wav" for name in ("low", "chirp") for i in range(4)]
    rows = ["path,label", *(f"{name},{name[:3]}" for name in names), "none.wav,low", "low/0.wav,low", "low/1.wav,", ",low"]
    data = load_audio(write_list(tmp_path / "list.csv", rows))
    assert [why for _, why in data.skipped] == [
        "'none.wav', row 10 of list.csv, must be a file. Received: there is none.",
        "'low/0.wav' must be listed once. Received: rows 2 and 11.",
        "row 12 of list.csv must have a path and a label. Received: 'low/1.wav', ''.",
        "row 13 of list.csv must have a path and a label. Received: '', 'low'.",
    ]
    with pytest.raises(ValueError, match=r"'none.wav', row 10 of list.csv"):
        load_audio(tmp_path / "list.csv", strict=True)


def test_damaged_and_silent_clips_are_left_out_and_named(tmp_path):
    clips.folder(tmp_path, 10)
    (tmp_path / "low" / "0.wav").write_bytes(b"RIFF")
    clips.write(tmp_path / "chirp" / "silent.wav", np.zeros(800))
    data = load_audio(tmp_path)
    assert [name for name, _ in data.skipped] == ["low/0.wav", "chirp/silent.wav"]
    assert len(data.train) + len(data.validation) + len(data.test) == 29
    assert not data.silence
    with pytest.raises(ValueError, match=r"low/0\.wav' must be sound that can be read"):
        load_audio(tmp_path, strict=True)
    (tmp_path / "low" / "0.wav").unlink()
    with pytest.raises(ValueError, match=r"'chirp/silent.wav' must have something to hear"):
        load_audio(tmp_path, strict=True)


def test_silence_may_be_a_class(tmp_path):
    clips.folder(tmp_path, 4)
    for i in range(4):
        clips.write(tmp_path / "silence" / f"{i}.wav", np.zeros(800))
    data = load_audio(tmp_path)
    assert data.silence
    assert "silence" in data.class_names
    assert not data.skipped


def test_rates_and_channels_are_told(tmp_path):
    clips.folder(tmp_path, 6)
    clips.write(tmp_path / "low" / "cd.wav", np.stack([clips.tone(300, 0.3, 44100)] * 2, 1), 44100)
    data = load_audio(tmp_path)
    assert data.sample_rate == 8000
    assert "1 of 19 clips has several channels: their mean is taken." in data.notes
    assert "1 of 19 clips is resampled to 8,000 Hz, from 44,100 Hz." in data.notes
    high = load_audio(tmp_path, sample_rate=16000)
    assert any("18 of 19 clips have a lower sample rate than 16,000 Hz" in note for note in high.notes)
    assert max(len(high.train.window(i, 10**6)) for i in range(len(high.train))) > 4000


def test_lengths(tmp_path):
    clips.folder(tmp_path, 10, seconds=0.3)
    clips.write(tmp_path / "low" / "long.wav", clips.tone(300, 20.0))
    clips.write(tmp_path / "low" / "short.wav", clips.tone(300, 0.01))
    data = load_audio(tmp_path)
    assert data.seconds == 0.4
    assert any("Clips have 0.01 to 20 s, examples 0.4 s: 1 are cut" in note for note in data.notes)
    assert load_audio(tmp_path, seconds=0.2).seconds == 0.2


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=40))
def test_the_default_length_is_that_of_most(lengths):
    seconds = default_seconds(lengths)
    assert 0.1 <= seconds <= 10
    assert seconds == 10 or np.mean(np.array(lengths) <= seconds + 1e-9) >= 0.9


def test_a_window_is_cut_where_it_is_asked_for_also_from_files(tmp_path, monkeypatch):
    clips.folder(tmp_path, 4)
    kept = load_audio(tmp_path, sample_rate=4000)
    monkeypatch.setattr(audio, "_KEPT", 100)
    read = load_audio(tmp_path, sample_rate=4000)
    assert any("files are read again" in note for note in read.notes)
    for place in (0.0, 0.5, 1.0):
        one, other = kept.train.window(0, 400, place), read.train.window(0, 400, place)
        assert len(one) == len(other) == 400
        assert np.corrcoef(one, other)[0, 1] > 0.99
    (tmp_path / kept.train.name(0)).unlink()
    with pytest.raises(ValueError, match="must stay as it was while it is in use"):
        read.train.window(0, 400)


def test_what_is_no_data_set_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be a folder or CSV file that exists"):
        find_clips(tmp_path / "none")
    with pytest.raises(ValueError, match=r"Received: 0 sub-folder\(s\) \[\]"):
        find_clips(tmp_path)
    clips.write(tmp_path / "a" / "a.wav", TONE)
    clips.write(tmp_path / "loose.wav", TONE)
    with pytest.raises(ValueError, match=r"1 sub-folder\(s\) \['a'\] and 1 sounds outside of them"):
        find_clips(tmp_path)
    (tmp_path / "b").mkdir()
    with pytest.raises(ValueError, match=r"/b' must hold sound .*Received: no such file"):
        find_clips(tmp_path)
    clips.write(tmp_path / "b" / "b.wav", TONE)
    with pytest.raises(ValueError, match="At least one class must have at least 3 clips"):
        load_audio(tmp_path)
    with pytest.raises(ValueError, match="columns of a CSV file"):
        find_clips(tmp_path, Columns(label="kind"))
    (tmp_path / "b" / "b.wav").write_text("damaged")
    with pytest.raises(ValueError, match=r"Class 'b' must have clips that can be read. Received: 1 file\(s\), all damaged"):
        load_audio(tmp_path)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (["path,sort", "a.wav,x"], "must have a column for label. Received: path, sort"),
        (["path,label,split", "a.wav,x,holdout"], "Parts must be called train, validation or test. Received: 'holdout', row 2"),
        (["path,label", "none.wav,x"], r"must list sound files. Received: none that exists. First: 'none.wav', row 2"),
        (["path,label", "a.wav,x"], "must have at least two classes. Received: 'x' alone"),
        (["path,label,split", "a.wav,x,test"], "must have clips of the part 'train'. Received: test"),
        ([""], "must have a line of names and rows"),
    ],
)
def test_what_is_wrong_with_a_list_is_told(tmp_path, rows, why):
    clips.write(tmp_path / "a.wav", TONE)
    with pytest.raises(ValueError, match=why):
        find_clips(write_list(tmp_path / "list.csv", rows))


def test_a_class_of_the_test_alone_is_told(tmp_path):
    for name in "abc":
        clips.write(tmp_path / f"{name}.wav", TONE)
    rows = ["path,label,split", "a.wav,x,train", "b.wav,y,train", "c.wav,z,test"]
    with pytest.raises(ValueError, match=r"Classes must be in the part train. Received: 'z' in test alone"):
        load_audio(write_list(tmp_path / "list.csv", rows))


def test_sound_is_needed(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ImportError, match=r"pip install 'atrous\[audio\]'"):
        read_sound(tmp_path / "a.wav")
