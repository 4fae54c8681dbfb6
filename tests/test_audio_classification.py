"""Audio classification from end to end on tones and chirps: one run, which most tests look at."""

import csv
import json
import re
import sys

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import atrous
import clips
from atrous.cli import main
from atrous.data.audio import ClipSplit, load_audio, samples_of
from atrous.field import analyze
from atrous.models.audio import ClipClassifier, default_rates, field_seconds, frame_step
from atrous.models.audio_layers import ClipLength, ClipLevel, ClipPooling, SpectrogramMasks
from atrous.recipes import find
from atrous.run import Run
from atrous.tasks.audio_classification import baselines
from atrous.tasks.audio_classification.batches import ClipBatches, changed, padded
from atrous.tasks.audio_classification.network import rates_of
from atrous.tasks.audio_classification.prediction import _windows
from atrous.tasks.audio_classification.sounds import log_mel, mel_hertz

OPTIONS = {
    "epochs": 4,
    "batch_size": 6,
    "filters": 8,
    "rates": (1, 2),
    "learning_rate": 0.01,
    "time_masks": 1,
    "frequency_masks": 1,
    "dropout": 0.0,
    "quiet": True,
}


def command(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["atrous", *map(str, words)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code, *capsys.readouterr()


@pytest.fixture(scope="module")
def sounds(once):
    def make(place):
        root = clips.folder(place / "tones" / "train", 12)
        clips.folder(place / "tones" / "val", 3, first=12)
        clips.folder(place / "tones" / "test", 4, first=15)
        (root / "low" / "broken.wav").write_bytes(b"RIFF, and no more")
        clips.write(root / "low" / "silent.wav", np.zeros(800))

    return once("audio-data", make) / "tones"


@pytest.fixture(scope="module")
def run(sounds, once):
    def make(place):
        atrous.train("audio-classification", sounds, output=place / "first", **OPTIONS)

    return Run(once("audio-classification", make) / "first")


# ---- a run -----------------------------------------------------------------------------------------------------------------


def test_a_run_learns_and_says_how_well(run):
    assert set(run.metrics[0]) >= {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}
    assert run.metrics[-1]["loss"] < run.metrics[0]["loss"]
    assert run.config.facts == {
        "class_names": ("chirp", "high", "low"),
        "sound": {"sample_rate": 8000, "seconds": 0.4, "silence": False},
        "skipped": ("train/low/broken.wav", "train/low/silent.wav"),
    }
    assert run.test["accuracy"] == 1.0
    assert run.test["macro_f1"] == 1.0
    assert list(run.test["classes"]) == ["chirp", "high", "low"]
    assert atrous.evaluate(run)["loss"] == pytest.approx(run.test["loss"], rel=1e-4)


def test_the_saved_model_takes_samples_of_any_length_and_level(run):
    model = run.load_model()
    assert (model.sample_rate, model.class_names) == (8000, ("chirp", "high", "low"))
    clip = clips.tone(2600, 0.3, seed=99)
    with_zeros, alone = model(padded(clip, 3200)[None]), model(padded(clip, 5000)[None])
    assert with_zeros.shape == (1, 3)
    assert np.argmax(with_zeros) == np.argmax(alone) == 1
    softer = model(padded(0.01 * clip + 0.2, 3200)[None])
    np.testing.assert_allclose(softer, model(padded(clip + 20.0, 3200)[None]), atol=1e-3)


def test_the_page(run):
    page = run.report_file.read_text("utf-8")
    for word in (
        "5 nearest in length and loudness",
        "always &#39;",
        "Macro F1",
        "a frame sees",
        "with masks",
        "low/broken.wav",
    ):
        assert word in page
    assert page.count("<audio controls") == page.count("data:audio/flac;base64,") > 2
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)
    kept = json.loads((run.path / "baselines.json").read_text())
    assert [row["name"][:6] for row in kept["baselines"]] == ["always", "5 near"]


def test_files_are_predicted_in_their_order_and_what_cannot_be_is_told(run, tmp_path, monkeypatch, capsys):
    long = np.concatenate([clips.tone(320, 2.0), np.zeros(16000, np.float32), clips.tone(300, 1.0)])
    clips.write(tmp_path / "a" / "long.wav", np.stack([long, long], axis=1))
    clips.write(tmp_path / "a" / "cd.flac", clips.chirp(0.3, 44100), 44100)
    clips.write(tmp_path / "a" / "tiny.wav", clips.tone(2600, 0.01))
    clips.write(tmp_path / "a" / "silent.wav", np.zeros(900))
    (tmp_path / "a" / "text.ogg").write_text("no sound")
    said = atrous.predict(run, tmp_path / "a", output=tmp_path / "out", top=2)
    found = {each.file.split("/")[-1]: each for each in said}
    assert list(found) == ["cd.flac", "long.wav", "silent.wav", "text.ogg", "tiny.wav"]
    assert (found["long.wav"].class_name, found["cd.flac"].class_name) == ("low", "chirp")
    assert len(found["long.wav"].top) == 2
    assert "must have something to hear" in found["silent.wav"].error
    assert "must be sound that can be read" in found["text.ogg"].error
    rows = list(csv.DictReader((tmp_path / "out" / "predictions.csv").read_text("utf-8").splitlines()))
    assert [row["class"] for row in rows][:3] == ["chirp", "low", ""]
    code, out, err = command(["predict", run.path, tmp_path / "a" / "long.wav", "--json"], monkeypatch, capsys)
    assert json.loads(out)["class"] == "low"
    assert (code, err) == (0, "")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="must be sound files, or folders of them"):
        atrous.predict(run, tmp_path / "empty")


def test_other_data_are_brought_to_the_run_s_form(run, tmp_path):
    for i in range(4):
        clips.write(tmp_path / "low" / f"{i}.wav", clips.tone(310, 0.7, 16000, seed=i), 16000)
        clips.write(tmp_path / "high" / f"{i}.wav", clips.tone(2550, 0.7, 16000, seed=i), 16000)
        clips.write(tmp_path / "chirp" / f"{i}.wav", clips.chirp(0.4, 16000, seed=i), 16000)
    assert atrous.evaluate(run, tmp_path)["examples"] == 3
    (tmp_path / "low").rename(tmp_path / "deep")
    with pytest.raises(ValueError, match="`data` must have the run's class_names"):
        atrous.evaluate(run, tmp_path)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--network", "raw", "--frequency-masks", "1"], "`frequency_masks` must be left out with `network='raw'`"),
        (["--seconds", "100"], "`seconds` must be between 0.1 and 60"),
        (["--sample-rate", "10"], "`sample_rate` must be between 1000 and 192000 Hz"),
        (["--label", "kind"], "columns of a CSV file"),
        (["--strict"], "broken.wav"),
    ],
)
def test_mistakes_are_one_sentence(sounds, tmp_path, monkeypatch, capsys, words, why):
    words = ["train", "audio-classification", "--data", sounds, "--output", tmp_path / "run", "--quiet", *words]
    code, out, err = command(words, monkeypatch, capsys)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert why in err
    assert not (tmp_path / "run").exists()


# ---- batches ---------------------------------------------------------------------------------------------------------------


def test_batches_depend_on_seed_and_epoch_alone(sounds):
    split = load_audio(sounds).train
    length = samples_of(0.2, 8000)

    def read(seed, epoch, augment=("shift", "gain", "noise")):
        batches = ClipBatches(split, 8, length, seed, augment, prefetch=0)
        batches.epoch = epoch
        return batches[1]

    (one, labels), (same, _), (other, _) = read(3, 2), read(3, 2), read(3, 4)
    assert one.shape == (8, length)
    assert (one.dtype, labels.dtype) == (np.float32, np.int32)
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    still = ClipBatches(split, 8, length, prefetch=0)[0]
    np.testing.assert_array_equal(still[0][0], split.window(0, length, 0.5))
    weighted = ClipBatches(split, 8, length, class_weights=np.array([1.0, 2.0, 3.0]), prefetch=0)[0]
    np.testing.assert_array_equal(weighted[2], weighted[1] + 1)


@given(
    st.integers(1, 500),
    st.integers(1, 500),
    st.sets(st.sampled_from(["shift", "gain", "noise"])),
    st.integers(0, 2**31),
)
def test_changes_keep_clips_finite_and_short_enough(count, length, augment, seed):
    clip = clips.tone(440, count / 8000)[:length]
    made = changed(clip, length, 8000, sorted(augment), np.random.default_rng(seed))
    assert made.dtype == np.float32
    assert 0 < len(made) <= length
    assert np.isfinite(made).all()
    assert len(padded(made, length)) == length


def test_changes_are_as_large_as_said():
    clip, draw = clips.tone(440, 1.0), np.random.default_rng(0)
    level = np.sqrt(np.mean(clip**2))
    gains = [20 * np.log10(np.sqrt(np.mean(changed(clip, 8000, 8000, ["gain"], draw) ** 2)) / level) for _ in range(50)]
    assert -6 <= min(gains) < -3
    assert 3 < max(gains) <= 6.001
    noises = [changed(clip, 8000, 8000, ["noise"], draw) - clip for _ in range(30)]
    below = [20 * np.log10(level / np.sqrt(np.mean(noise**2))) for noise in noises]
    assert 19.5 < min(below) < 30 < 40 < max(below) < 50.5


def test_long_files_are_heard_in_windows_with_nothing_twice_but_at_the_end(tmp_path):
    ramp = np.linspace(-0.9, 0.9, 2500, dtype=np.float32)
    file = clips.write(tmp_path / "a.wav", ramp, 1000, subtype="FLOAT")
    windows = list(_windows(file, 1000, 400, False))
    assert [len(clip) for clip in windows] == [400] * 7
    np.testing.assert_allclose(np.concatenate(windows[:6]), ramp[:2400])
    np.testing.assert_allclose(windows[6], ramp[-400:])
    assert [len(clip) for clip in _windows(file, 1000, 2500, False)] == [2500]


# ---- baselines -------------------------------------------------------------------------------------------------------------


def split_of(seconds, levels, labels):
    split = ClipSplit([], [], labels, 8000)
    split.clips, split.seconds, split.levels = tuple(range(len(labels))), np.array(seconds), np.array(levels)
    return split


def test_what_length_and_loudness_tell():
    seconds, levels = [1.0, 1.1, 1.2, 1.0, 1.1, 2.0, 2.1, 2.2, 2.0, 2.1, 2.3], [0.1] * 11
    train, test = split_of(seconds, levels, [0] * 5 + [1] * 6), split_of([1.05, 2.05, 2.5], [0.1] * 3, [0, 1, 0])
    always, nearest = baselines.compute(train, test, ("a", "b"))
    assert (always.name, always.accuracy) == ("always 'b'", pytest.approx(1 / 3))
    assert nearest.accuracy == pytest.approx(2 / 3)


def test_neighbours_are_those_of_the_definition():
    draw = np.random.default_rng(1)
    known, asked, labels = draw.normal(size=(40, 2)), draw.normal(size=(15, 2)), draw.integers(0, 3, 40)
    said = baselines.by_neighbours(known, labels, asked, 3)
    for one, found in zip(asked, said, strict=True):
        distance = [sum(((a - b) / s) ** 2 for a, b, s in zip(one, row, known.std(0), strict=True)) for row in known]
        near = sorted(range(40), key=lambda i: distance[i])[:5]
        votes = [sum(labels[i] == label for i in near) for label in range(3)]
        assert votes[found] == max(votes)


# ---- the network -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["mel", "raw"])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_it_sees_a_second_and_says_what_it_sees(network, rate):
    rates = default_rates(network, rate)
    assert field_seconds(network, rate, rates) >= 1 > field_seconds(network, rate, rates[:-1])
    body = ClipClassifier(3, rate, network, rates, filters=2).get_layer("body")
    (seen,) = analyze(body)[f"block{len(rates)}"].local_size
    step = 1 if network == "raw" else frame_step("mel", rate)
    window = 1 if network == "raw" else round(0.025 * rate)
    assert ((seen - 1) * step + window) / rate == pytest.approx(field_seconds(network, rate, rates))


def test_one_alone_stands_for_as_many_blocks():
    recipe = find("audio-classification", "")
    assert rates_of(recipe, 8000) == (1, 2, 4, 8, 16)
    assert rates_of(recipe.replace({"rates": (1,)}), 8000) == (1, 1, 1, 1, 1)
    assert rates_of(recipe.replace({"rates": (1, 3)}), 8000) == (1, 3)


def test_the_waveform_s_network_is_saved_with_what_it_knows(tmp_path):
    model = ClipClassifier(2, 4000, "raw", (1, 2), filters=4, time_masks=1, class_names=("a", "b"))
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert (loaded.sample_rate, loaded.class_names) == (4000, ("a", "b"))
    clip = padded(clips.tone(440, 0.2, 4000), 1000)[None]
    np.testing.assert_allclose(loaded(clip), model(clip), atol=1e-6)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=4), st.floats(0.001, 1e6), st.floats(-5, 5))
def test_level_and_length_know_no_padding(lengths, scale, offset):
    draw = np.random.default_rng(0)
    batch = np.zeros((len(lengths), 40), np.float32)
    for row, n in zip(batch, lengths, strict=True):
        row[:n] = scale * (draw.choice([-1.0, 1.0], n) * draw.uniform(0.5, 1.0, n) + offset + 0.25)
    batch[batch == 0] = 0
    found = np.asarray(ClipLength()(batch))
    expected = [max([1, *(np.flatnonzero(row) + 1)]) for row in batch]
    np.testing.assert_array_equal(found, expected)
    levelled = np.asarray(ClipLevel()([batch, found]))
    for row, n in zip(levelled, expected, strict=True):
        assert not row[n:].any()
        assert np.isfinite(row).all()
        if n > 2:
            assert abs(row[:n].mean()) < 1e-2
            assert np.sqrt(np.mean(row[:n] ** 2)) == pytest.approx(1, abs=1e-2)


def test_pooling_takes_the_clip_alone():
    frames = np.random.default_rng(0).normal(size=(3, 10, 2)).astype(np.float32)
    pooled = np.asarray(ClipPooling(4)([frames, np.array([40.0, 9.0, 1.0], np.float32)]))
    np.testing.assert_allclose(pooled, [frames[0].mean(0), frames[1, :3].mean(0), frames[2, 0]], rtol=1e-5)


def test_masks_are_stretches_and_bands_of_the_clip_in_training_alone():
    frames = np.random.default_rng(0).normal(3.0, 0.1, (4, 50, 12)).astype(np.float32)
    length = np.array([50.0, 50.0, 30.0, 5.0], np.float32) * 80
    layer = SpectrogramMasks(2, 1, 80, seed=0)
    np.testing.assert_array_equal(layer([frames, length]), frames)
    for _ in range(5):
        masked = np.asarray(layer([frames, length], training=True))
        for row, before, n in zip(masked, frames, (50, 50, 30, 5), strict=True):
            np.testing.assert_array_equal(row[n:], before[n:])
            mean = before[:n].mean()
            hidden = np.isclose(row[:n], mean, atol=1e-5)
            np.testing.assert_array_equal(row[:n][~hidden], before[:n][~hidden])
            times, bands = hidden.mean(1) > 0.9, hidden.mean(0) > 0.9
            assert times.sum() <= 2 * (0.2 * n + 1)
            assert bands.sum() <= 0.25 * 12 + 1
            assert (hidden == (times[:, None] | bands)).mean() > 0.97


def test_a_spectrogram_has_a_tone_where_it_is():
    values = log_mel(padded(clips.tone(1000, 0.3), 4000), 8000, 40)
    assert len(values) == 31  # of the clip, not of the zeros behind
    loudest = values[5:-5].mean(0).argmax()
    assert abs(mel_hertz(8000, 40)[loudest] - 1000) < 100
