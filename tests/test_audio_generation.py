"""Generating sound from end to end: one run of each head on a made-up voice, which most tests look at."""

import dataclasses
import json
import math
import re
import shutil
import sys

import keras
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import atrous
import voices
from atrous.cli import main
from atrous.data.recordings import Listing, Recording, RecordingPart, read_recordings, trimmed
from atrous.models.sound import SoundWaveNet
from atrous.models.wavenet import mu_law_compress, mu_law_decode, mu_law_encode, mu_law_expand
from atrous.plots.spectra import average_spectra
from atrous.recipes import find
from atrous.run import Run
from atrous.streaming.generation import generate
from atrous.streaming.sampling import as_drawn, as_sound, kind_of
from atrous.tasks.audio_generation import codes, data, network, predictor, sounds
from atrous.tasks.audio_generation.crops import CropBatches, piece
from atrous.tasks.audio_generation.data import Plan
from atrous.tasks.audio_generation.evaluation import Window, bits, looked_at, mean_bits, windows
from atrous.tasks.audio_generation.loss import CodeLoss
from atrous.tasks.audio_generation.predictor import Predicted

OPTIONS = {"rates": (1, 2, 4), "filters": 8, "skip_filters": 8, "crop": 512, "crops": 16, "epochs": 2, "quiet": True}
RECIPE = find("audio-generation", "")
SMALL = RECIPE.replace({"rates": (1, 2, 4), "filters": 4, "skip_filters": 8, "classes": 32, "mixtures": 3})
PLAN = Plan(8000, (1, 2, 4), 11, 0.1, 10.0)
HEADS = ("categorical", "logistics")


def command(words, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["atrous", *map(str, words)])
    capfd.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code, *capfd.readouterr()


def recording(samples, name="x"):
    return Recording(name, np.clip(np.rint(np.asarray(samples) * 32768), -32768, 32767).astype(np.int16))


def unknown(trained, recordings, *_):
    """Instead of predictors, where they aren't asked for."""
    return {"none": Predicted(9.0, (9.0,) * len(recordings))}


@pytest.fixture(scope="module")
def folder(once):
    return once("audio-generation-data", voices.folder)


@pytest.fixture(scope="module")
def run(folder, once):
    def make(place):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sounds, "SECONDS", 0.5)
            atrous.train("audio-generation", folder, output=place / "run", where="kind=voice", **OPTIONS)

    return Run(once("audio-generation", make) / "run")


def test_a_run_learns_and_says_how_well(run):
    rows = run.metrics
    assert set(rows[0]) == {"epoch", "loss", "val_loss", "val_bits_per_sample", "learning_rate", "seconds"}
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[0]["val_bits_per_sample"] == pytest.approx(rows[0]["val_loss"] / math.log(2))
    test = run.test
    assert test["bits_per_sample"] < 8
    assert test["predictor_bits_per_sample"] == min(test["predictors"].values())
    assert set(test["sound"]) == {"network", "linear predictor", "white noise", "training part"}
    assert set(test["files"]) == {"sounds/10.wav", "sounds/11.wav"}
    assert (test["examples"], test["samples"]) == (2, 4000 + 1000 + 4000 + 1100)
    assert run.config.plan["field"] == 11
    model = run.load_model()
    assert (model.sample_rate, model.mu_law) == (8000, None)
    assert atrous.field.analyze(model).output.size == (11,)


@pytest.mark.parametrize("head", HEADS)
def test_bits_are_what_a_count_by_hand_gives(head):
    """Sample by sample, each from all before it, in float64, by the definition."""
    recipe = SMALL.replace({"head": head})
    model = network.build(recipe, PLAN)
    sound = recording(voices.voice(60, 3))
    (found,) = bits(model, [sound], recipe, PLAN)
    samples = np.concatenate([[0.0], sound.samples()])
    coded = np.asarray(mu_law_encode(samples, 32))
    heard = coded[None, :-1] if head == "categorical" else np.asarray(mu_law_compress(samples, 32))[None, :-1, None]
    for t in (0, 1, 7, 30, 59):
        says = np.asarray(model(heard[:, : t + 1]))[0, -1].astype(np.float64)
        code = coded[t + 1]
        if head == "categorical":
            mass = np.exp(says[code]) / np.exp(says).sum()
        else:
            logits, means, log_scales = says.reshape(3, -1)
            low, high = (code - 0.5) * 2 / 31 - 1, (code + 0.5) * 2 / 31 - 1
            low, high = -np.inf if code == 0 else low, np.inf if code == 31 else high

            def below(x, means=means, log_scales=log_scales):
                return 1 / (1 + np.exp(-(x - means) / np.exp(log_scales)))

            mass = (np.exp(logits) / np.exp(logits).sum() * (below(high) - below(low))).sum()
        assert found[t] == pytest.approx(-np.log2(mass), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("head", HEADS)
def test_the_probabilities_of_all_codes_are_one(head):
    says = np.random.default_rng(0).normal(0, 1, (1, 5, 32 if head == "categorical" else 9)).astype("float32")
    loss = CodeLoss(head, 32)
    masses = [np.exp(-np.asarray(loss.call(np.full((1, 5), code), says))) for code in range(32)]
    np.testing.assert_allclose(np.sum(masses, axis=0), 1, rtol=1e-4)


def test_the_loss_leaves_out_what_has_no_weight():
    says = np.random.default_rng(0).normal(0, 1, (2, 4, 16)).astype("float32")
    loss = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(CodeLoss("categorical", 16)))
    assert (loss.head, loss.classes) == ("categorical", 16)
    coded, weights = np.array([[1, 2, 3, 4], [5, 6, 0, 0]]), np.array([[1, 1, 1, 1], [1, 1, 0, 0.0]])
    each = np.asarray(loss.call(coded, says))
    assert float(loss(coded, says, weights)) == pytest.approx(each[weights == 1].mean(), rel=1e-5)


@pytest.mark.parametrize("classes", [2, 32, 256])
def test_codes_by_bins_are_those_of_the_curve(classes):
    every = np.arange(-32768, 32768) / 32768
    np.testing.assert_array_equal(codes.encode(every, classes), np.asarray(mu_law_encode(every.astype("float32"), classes)))
    low, high = codes.bounds(classes)
    assert (low[0], high[-1]) == (-np.inf, np.inf)
    inside = np.asarray(mu_law_decode(np.arange(classes), classes))
    assert ((low < inside) & (inside < high)).all()
    np.testing.assert_allclose(codes.compress(every, classes), np.asarray(mu_law_compress(every, classes)), atol=1e-6)
    np.testing.assert_allclose(np.asarray(mu_law_expand(mu_law_compress(every, classes), classes)), every, atol=1e-5)


@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=4), field=st.integers(1, 30), fresh=st.integers(1, 20))
def test_windows_hold_every_sample_once_and_what_is_seen_before_it(lengths, field, fresh):
    seen = [np.zeros(n, int) for n in lengths]
    for window in windows(lengths, field, fresh):
        assert window.first <= window.count < window.last <= lengths[window.which]
        assert window.first == 0 or window.count - window.first >= field - 1
        seen[window.which][window.count : window.last] += 1
    assert all((each == 1).all() for each in seen)


def test_bits_do_not_depend_on_where_windows_begin():
    model = network.build(SMALL, PLAN)
    every = [recording(voices.voice(n, n)) for n in (50, 90)]
    whole = bits(model, every, SMALL, PLAN)
    cut = bits(model, every, SMALL, PLAN, list(windows([50, 90], PLAN.field, 13)))
    for one, other in zip(whole, cut, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)
    (only, nothing) = bits(model, every, SMALL, PLAN, [Window(0, 3, 20, 25)])
    assert np.isnan(nothing).all()
    np.testing.assert_allclose(only[20:25], whole[0][20:25], rtol=1e-4)
    assert mean_bits([only, nothing]) == pytest.approx(whole[0][20:25].mean(), rel=1e-4)


def test_of_a_long_validation_part_stretches_are_looked_at():
    part = RecordingPart(tuple(recording(np.full(20000, 0.1)) for _ in range(5)), seconds=2.0)
    chosen = looked_at(part, PLAN)
    assert 12000 < sum(each.last - each.count for each in chosen) < 20000
    assert {each.which for each in chosen} == set(range(5))
    assert looked_at(dataclasses.replace(part, seconds=None), PLAN) is None


@settings(max_examples=20)
@given(head=st.sampled_from(HEADS), seed=st.integers(0, 3), epoch=st.integers(0, 2))
def test_crops_hold_what_the_recordings_hold(head, seed, epoch):
    part = RecordingPart((recording(voices.voice(300, 1)), recording(voices.voice(40, 2))), crops=5)
    batches = CropBatches(part, 64, 4, head, 32, seed, 0)
    batches.epoch = epoch
    heard, coded, weights = batches[1]
    assert len(heard) == 1  # the fifth
    count = int(weights.sum())
    assert count in (40, 64)
    assert (weights[0, :count] == 1).all()
    source = next(each for each in part.recordings if (len(each) == 40) == (count == 40))
    every = np.asarray(mu_law_encode(source.samples(), 32))
    first = next(i for i in range(len(every)) if (every[i : i + count] == coded[0, :count]).all())
    before = np.concatenate([[0.0], source.samples()])[first : first + count]
    expected = mu_law_encode(before, 32) if head == "categorical" else mu_law_compress(before, 32)[:, None]
    np.testing.assert_allclose(heard[0, :count], np.asarray(expected), atol=1e-6)
    again = CropBatches(part, 64, 4, head, 32, seed, 0)
    again.epoch = epoch
    np.testing.assert_array_equal(again[1][0], heard)


def test_no_sample_is_heard_before_it_is_said():
    sound = recording(voices.voice(50))
    changed = recording(np.concatenate([sound.samples(0, 30), -sound.samples(30)]))
    for head in HEADS:
        (one, _), (other, _) = (piece(each, 0, 50, head, 32) for each in (sound, changed))
        np.testing.assert_array_equal(one[:31], other[:31])


# ---- predictors ------------------------------------------------------------------------------------------------------------


def brute(sound, mean, scale, distribution, classes):
    """Mass of each code by a fine sum over its bin."""
    low, high = codes.bounds(classes)
    total = 0.0
    for x, m, s in zip(sound, mean, scale, strict=True):
        code = int(mu_law_encode(np.float32(x), classes))
        grid = np.linspace(max(low[code], m - 60 * s), min(high[code], m + 60 * s), 200001)
        z = (grid - m) / s
        density = np.exp(-np.abs(z)) / 2 if distribution == "laplace" else np.exp(-(z**2) / np.pi) / np.pi
        mass = np.trapezoid(density / s, grid) if grid[-1] > grid[0] else 0.0
        total -= math.log2((1 - predictor.ESCAPE) * mass + predictor.ESCAPE / classes)
    return total


@pytest.mark.parametrize("distribution", predictor.DISTRIBUTIONS)
def test_a_predictors_bits_are_those_of_a_fine_sum(distribution):
    sound = voices.voice(12, 4)
    guess = predictor.Guess(np.linspace(-0.3, 0.3, 12), np.geomspace(0.001, 0.3, 12))
    found = predictor.bits(sound, guess, distribution, 64).sum()
    assert found == pytest.approx(brute(sound, guess.mean, guess.scale, distribution, 64), rel=1e-4)


def test_a_linear_process_is_predicted():
    draw, sound = np.random.default_rng(0), np.zeros(20002)
    for t in range(20000):
        sound[t + 2] = 1.6 * sound[t + 1] - 0.8 * sound[t] + draw.laplace(0, 0.01)
    sound = recording(sound[2:])
    weights = predictor.solved(predictor.moments_of([sound]))
    np.testing.assert_allclose(weights[:3], [1.6, -0.8, 0], atol=0.06)
    found = predictor.compared([sound], [sound], 8000, 256)
    ideal = predictor.bits(
        sound.samples(), predictor.one_for_all(sound, np.array([1.6, -0.8, *[0] * 14]), 0.01), "laplace", 256
    ).mean()
    assert found["one for all"].bits_per_sample == pytest.approx(ideal, abs=0.03)
    assert found["one for all"].bits_per_sample < found["from the past"].bits_per_sample
    told = found["each frame its own"]
    assert told.files == (pytest.approx(told.bits_per_sample),)


def test_what_adapts_knows_nothing_of_what_comes():
    sound = voices.voice(600, 5)
    changed = np.concatenate([sound[:400], -sound[400:]])
    one, other = (predictor.from_the_past(recording(each), np.eye(17), 160, 16, 64, 0.01) for each in (sound, changed))
    np.testing.assert_array_equal(one.mean[:401], other.mean[:401])
    np.testing.assert_array_equal(one.scale[:401], other.scale[:401])
    assert not np.allclose(one.mean[402:], other.mean[402:])


# ---- sounds ----------------------------------------------------------------------------------------------------------------


def test_spectra_and_pitch_are_those_of_a_tone():
    tone = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)).astype("float32")
    levels = sounds.spectrogram(tone, 8000)
    assert levels.shape == (1 + (8000 - 256) // 64, 129)
    assert levels.argmax(axis=1).tolist() == [32] * len(levels)
    assert levels.max() == pytest.approx(20 * math.log10(0.5), abs=0.2)
    band = int(sounds.average_spectrum([tone], 8000).argmax())
    edges = sounds.band_edges(8000)
    assert edges[band] <= 1000 <= edges[band + 1]
    assert sounds.pitch([voices.voice(8000)], 8000) == pytest.approx(200, rel=0.05)
    assert sounds.pitch([np.zeros(4000, "float32"), tone[:10]], 8000) is None


def test_a_voice_is_nearer_to_itself_than_noise_is():
    real = [voices.voice(8000, i) for i in range(3)]
    hiss = [sounds.predictor_noise([recording(each) for each in real], 8000, 0)]
    assert sounds.timbre_distance(real[:1], real[1:], 8000) < sounds.timbre_distance(hiss, real, 8000)
    white = [sounds.white_noise(8000, 0.1, 0)]
    assert sounds.spectrum_distance(hiss, real, 8000) < sounds.spectrum_distance(white, real, 8000)


@pytest.mark.parametrize("head", HEADS)
def test_generated_sound_goes_on_from_a_primer_and_is_the_commands(head):
    model = network.build(SMALL.replace({"head": head}), PLAN)
    kind = kind_of(model)
    assert kind.curve == (32 if head == "logistics" else 0)
    sound = voices.voice(40)[None, :, None]
    assert np.abs(as_sound(as_drawn(sound, kind), kind) - sound).max() < (0.1 if head == "categorical" else 1e-5)
    (first, *_) = sounds.made(model, 8000, 3, seconds=0.01, sounds=2)
    np.testing.assert_allclose(first, as_sound(generate(model, 80, seed=3), kind)[0, :, 0], rtol=1e-5)


def test_the_model_keeps_what_its_sound_is(tmp_path):
    model = SoundWaveNet(11025, mu_law=64, head="logistics", rates=(1, 2), filters=4, skip_filters=4, mixtures=2)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert (again.sample_rate, again.mu_law, again.name) == (11025, 64, "wavenet")
    x = np.random.default_rng(0).uniform(-1, 1, (1, 9, 1)).astype("float32")
    np.testing.assert_array_equal(again(x), model(x))


def test_what_is_quiet_is_heard_as_what_is_loud_by_a_stream(tmp_path, monkeypatch, capfd):
    model = network.build(SMALL.replace({"head": "logistics"}), PLAN)
    model.save(tmp_path / "model.keras")
    sound = voices.voice(64)
    file = voices.write(tmp_path / "in.wav", sound, subtype="FLOAT")
    out = tmp_path / "out.csv"
    code, _, err = command(["stream", tmp_path / "model.keras", "--input", file, "--output", out], monkeypatch, capfd)
    assert code == 0, err
    told = np.loadtxt(out, delimiter=",", skiprows=1)[:, 1:]
    heard = np.asarray(mu_law_compress(sound, 32))[None, :, None]
    np.testing.assert_allclose(told, np.asarray(model(heard))[0], rtol=1e-3, atol=1e-4)


def test_spectra_are_drawn_over_frequencies():
    axes = average_spectra({"held-out": [-3.0, -9.0], "generated": [-4.0, -8.0]}, [100.0, 1000.0])
    first, second = axes.lines
    assert (list(first.get_xdata()), list(second.get_ydata())) == ([100, 1000], [-4, -8])
    assert (axes.get_xscale(), [text.get_text() for text in axes.get_legend().get_texts()]) == (
        "log",
        ["held-out", "generated"],
    )
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "200", "500", "1 k"]
    with pytest.raises(ValueError, match="`spectra` must have a level for each of `hertz`"):
        average_spectra({"a": [1.0]}, [100.0, 200.0])


# ---- recordings ------------------------------------------------------------------------------------------------------------


def test_without_a_list_parts_are_drawn_or_folders(tmp_path, folder):
    read = read_recordings(folder / "sounds", seed=3)
    assert {part: len(each) for part, each in read.parts.items()} == {"train": 10, "validation": 1, "test": 1}
    names = [each.name for part in read.parts.values() for each in part]
    assert len(set(names)) == 12
    for part in ("train", "val", "test"):
        shutil.copytree(folder / "sounds", tmp_path / part)
    read = read_recordings(tmp_path)
    assert [each.name for each in read.parts["test"]][:1] == ["test/00.wav"]
    assert len(read.parts["validation"]) == 12


def test_sounds_of_all_kinds_come_as_one(tmp_path, folder):
    shutil.copytree(folder, tmp_path / "data")
    place = tmp_path / "data" / "sounds"
    stereo = np.stack([voices.voice(20000, 1, 44100), np.zeros(20000)], axis=1)
    voices.write(place / "s.flac", stereo, 44100)
    voices.write(place / "silent.wav", np.zeros(3000))
    voices.write(place / "short.wav", voices.voice(5))
    (place / "broken.wav").write_bytes(b"RIFF no sound")
    (place / "empty.ogg").write_bytes(b"")
    read = read_recordings(place)
    assert read.sample_rate == 8000
    assert {name for name, _ in read.skipped} == {"silent.wav", "broken.wav", "empty.ogg"}
    assert any("several channels" in note for note in read.notes)
    assert any("resampled to 8,000 Hz, from 44,100 Hz" in note for note in read.notes)
    (odd,) = (each for part in read.parts.values() for each in part if each.name == "s.flac")
    assert len(odd) == pytest.approx(20000 * 8000 / 44100, abs=2)
    with pytest.raises(ValueError, match="must be sound that can be read"):
        read_recordings(place, strict=True)


def test_silence_at_both_ends_is_trimmed():
    sound = np.concatenate([np.zeros(3000), voices.voice(2000), np.full(3000, 1e-5)]).astype("float32")
    left = trimmed(sound, 8000)
    assert 2000 <= len(left) <= 2000 + 2 * 400 + 160
    assert np.abs(left).max() == np.abs(sound).max()


def test_the_field_follows_from_the_sample_rate(folder):
    def plan(**options):
        return data.load(str(folder), RECIPE.replace(options)).plan

    auto = plan()
    assert (auto.sample_rate, auto.field) == (8000, 515)
    assert plan(sample_rate=16000).field == 1027
    flat = plan(rates=1)
    assert (set(flat.rates), len(flat.rates), flat.field) == ({1}, len(auto.rates), len(auto.rates) + 4)
    assert plan(rates=(1, 3), stacks=2, kernel_size=3).field == 4 + 2 * 2 * 4
    assert Plan(**{**json.loads(json.dumps(auto.to_json())), "rates": auto.rates}) == auto
    one, other = (network.build(RECIPE, dataclasses.replace(auto, rates=rates)) for rates in (auto.rates, flat.rates))
    assert [v.shape for v in one.variables] == [v.shape for v in other.variables]


def test_short_crops_and_short_files_are_told(folder):
    notes = data.load(str(folder), RECIPE.replace({"crop": 512, "rates": (4096,)})).notes
    assert any("are shorter than what the network sees, 4,100 samples" in note for note in notes)
    assert any("Crops of 512 samples are short" in note for note in notes)


# ---- the commands ----------------------------------------------------------------------------------------------------------


def test_predict_tells_bits_and_what_could_not_be_read(run, folder, tmp_path, monkeypatch, capfd):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"nothing")
    code, out, err = command(
        ["predict", run.path, folder / "sounds" / "10.wav", broken, "--output", tmp_path / "bits.csv"], monkeypatch, capfd
    )
    assert code == 1
    first, second = map(json.loads, out.splitlines())
    assert first["bits_per_sample"] == pytest.approx(run.test["files"]["sounds/10.wav"]["network"], rel=1e-5)
    assert second["error"] in err
    assert (tmp_path / "bits.csv").read_text().splitlines()[0] == "file,seconds,bits_per_sample"
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="must be sound, or folders of it"):
        atrous.predict(run, tmp_path / "empty")
    (low,) = atrous.predict(run, voices.write(tmp_path / "low.wav", voices.voice(400, sample_rate=4000), 4000))
    assert "lower sample rate than the run's 8,000 Hz" in low.note


def test_generate_takes_the_sample_rate_from_the_model(run, folder, tmp_path, monkeypatch, capfd):
    out = tmp_path / "made.wav"
    primer = folder / "sounds" / "11.wav"
    code, _, err = command(
        ["generate", run.path, "--seconds", "0.05", "--temperature", "0.8", "--primer", primer, "--output", out],
        monkeypatch,
        capfd,
    )
    assert code == 0, err
    made, rate = soundfile.read(out)
    assert (len(made), rate) == (400, 8000)
    assert 0 < np.abs(made).max() <= 1


def test_evaluate_repeats_the_test_and_takes_other_sounds(run, folder, monkeypatch, capfd):
    monkeypatch.setattr(sounds, "SECONDS", 0.5)
    code, out, _ = command(["evaluate", run.path, "--json"], monkeypatch, capfd)
    assert code == 0
    assert json.loads(out)["predictors"] == run.test["predictors"]
    assert json.loads(out)["bits_per_sample"] == pytest.approx(run.test["bits_per_sample"])
    monkeypatch.setattr(predictor, "compared", unknown)
    other = atrous.evaluate(run, folder / "sounds")  # without the list that `where` is of
    assert other["examples"] == 1


def test_the_page_lets_hear_and_see(run):
    page = run.report_file.read_text("utf-8")
    for words in ("To be heard", "Bits per sample", "linear, adapted to the past", "one period of the voice", "white noise"):
        assert words in page
    assert page.count("data:audio/flac;base64,") == 4  # two generated beside both held out
    assert not re.search(r"@import|url\((?!#)|src=\"(?!data:)", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_mixture_learns_too_and_is_compared(run, folder, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("atrous.report.write", lambda run: run.report_file.write_text("report"))
    monkeypatch.setattr(sounds, "SECONDS", 0.2)
    monkeypatch.setattr(predictor, "compared", unknown)
    short = {**OPTIONS, "epochs": 1}
    mixture = atrous.train("audio-generation", folder, output=tmp_path / "mixture", head="logistics", **short)
    (first,) = mixture.metrics
    assert first["val_bits_per_sample"] < 9
    longer = atrous.train(resume=mixture, epochs=2, quiet=True)
    assert longer.metrics[1]["val_bits_per_sample"] < first["val_bits_per_sample"]
    assert longer.load_model().mu_law == 256
    code, _, err = command(["compare", run.path, mixture.path, "--output", tmp_path / "page.html"], monkeypatch, capfd)
    assert code == 0, err
    page = (tmp_path / "page.html").read_text("utf-8")
    assert all(words in page for words in ("To be heard", "test bits per sample", "mixture"))
    assert page.count("data:audio/flac;base64,") == 3


MISTAKES = {
    "no sound": ([], "`data` must hold sound: .wav, .flac"),
    "no such row": (["--where", "kind=bird"], "`where` must be true of some rows. Received: kind=bird, of none of 12"),
    "no such column": (["--where", "speaker=1"], "`where` must be a column. Received: 'speaker'"),
    "where": (["--where", "kind"], "`where` must be COLUMN=VALUE"),
    "head": (["--head", "gauss"], "`head` must be one of categorical, logistics"),
    "kernel": (["--kernel-size", "1"], "`kernel_size` must be at least 2"),
    "crop": (["--crop", "0"], "`crop` must be a positive integer"),
    "no loss": (["--learning-rate", "1e30", "--crops", "4", "--crop", "64", "--rates", "1,2", "--filters", "4"], "became"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_one_sentence(name, folder, tmp_path, monkeypatch, capfd):
    words, message = MISTAKES[name]
    source = folder if words else tmp_path
    code, _, err = command(
        ["train", "audio-generation", "--data", source, "--output", tmp_path / "run", "--quiet", *words], monkeypatch, capfd
    )
    assert code in (1, 2)
    assert message in err
    assert name == "no loss" or (err.count("\n") == 1 and not (tmp_path / "run").exists())


def test_all_silent_is_told(tmp_path):
    for i in range(3):
        voices.write(tmp_path / f"{i}.wav", np.zeros(900))
    with pytest.raises(ValueError, match=r"must have sound that can be heard. Received: .*, 3 file\(s\). First: '0.wav' must"):
        read_recordings(tmp_path)
    with pytest.raises(ValueError, match="must be a folder of sounds, or a CSV file"):
        read_recordings(tmp_path / "0.wav")
    with pytest.raises(ValueError, match="are of a CSV file"):
        read_recordings(tmp_path, listing=Listing(where=(("a", "b"),)))
