"""Music from end to end on walking melodies: one run, which most tests look at."""

import csv
import json
import re
import shutil
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

import atrous
import rolls
from atrous import plots
from atrous.cli import main
from atrous.recipes import find
from atrous.run import Run
from atrous.tasks.music import data as music
from atrous.tasks.music.evaluation import evaluate
from atrous.tasks.music.loss import KeysNLL, frequencies, nll, transitions
from atrous.tasks.sequence_modelling import network
from atrous.tasks.sequence_modelling.sequences import SequenceBatches, SequencePart, outputs

SMALL = find("music", "").replace({"filters": 6, "blocks": 2, "kernel_size": 2, "dropout": 0.0})
LENGTHS = (9, 40, 17, 64, 33, 2, 21, 12)


def command(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["atrous", *map(str, words)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code, *capsys.readouterr()


@pytest.fixture(scope="module")
def folder(once):
    def make(place):
        train = [rolls.roll(steps, seed) for seed, steps in enumerate(LENGTHS)]
        others = [rolls.roll(30, 91), rolls.roll(1, 92), rolls.roll(50, 93) * 0]
        rolls.write(place / "Walks_And_Basses.mat", train, others, [rolls.roll(25, 94), rolls.roll(70, 95), rolls.roll(40, 96)])
        rolls.write(place / "other.mat", train[:1], train[:1], train[:1])

    return once("music-data", make)


@pytest.fixture(scope="module")
def run(folder, once):
    def make(place):
        options = {"data_set": "walks", "epochs": 3, "filters": 12, "blocks": 2, "learning_rate": 0.01, "batch_size": 3}
        atrous.train("music", folder, output=place / "first", quiet=True, **options)

    return Run(once("music", make) / "first")


def test_a_run_learns_and_says_how_well(run):
    rows = run.metrics
    assert set(rows[0]) == {"epoch", "loss", "val_loss", "val_nll", "learning_rate", "seconds"}
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert run.config.kind == ""
    assert run.config.dataset == "Walks_And_Basses"
    assert run.config.predicted == {"train": sum(LENGTHS) - 8, "validation": 78, "test": 132}
    assert run.test["examples"] == 3
    assert 0 < run.test["frame_accuracy"] <= 1
    assert json.loads(json.dumps(atrous.evaluate(run))) == run.test
    assert run.config.command.endswith("--data-set walks")


def test_the_test_is_what_a_count_by_hand_gives(run):
    """Piece by piece, step by step, key by key, each from what was before alone."""
    held, model = run.load_data(), run.load_model()
    total = steps = 0
    for row in range(3):
        piece = np.concatenate([held.test.inputs[row], held.test.targets[row][-1:]])
        probabilities = keras.ops.convert_to_numpy(keras.ops.sigmoid(model(piece[None, :-1].astype("float32"))))[0]
        for t in range(1, len(piece)):
            for key in range(88):
                p = float(probabilities[t - 1, key])
                total -= np.log(p if piece[t, key] else 1 - p)
            steps += 1
    assert run.test["steps"] == steps
    assert run.test["nll"] == pytest.approx(total / steps, rel=1e-4)


def test_no_step_sees_what_comes(run):
    model, piece = run.load_model(), rolls.roll(60, 5).astype("float32")
    changed = piece.copy()
    changed[30:] = 1 - changed[30:]
    said, other = (np.asarray(model.predict_on_batch(each[None]))[0] for each in (piece, changed))
    np.testing.assert_allclose(said[:30], other[:30], rtol=1e-5, atol=1e-5)
    assert not np.allclose(said[30:], other[30:])


@settings(max_examples=20)
@given(lengths=st.lists(st.integers(1, 90), min_size=1, max_size=12), batch=st.integers(1, 5), epoch=st.integers(0, 3))
def test_batches_hold_every_piece_once_and_weigh_what_is_there(lengths, batch, epoch):
    pieces = [(str(i), np.full((n + 1, 3), i + 1)) for i, n in enumerate(lengths)]
    part = music.part_of(pieces)
    batches = SequenceBatches(part, batch, 7, masked=True, dtype=np.float32, prefetch=0)
    batches.epoch = epoch
    seen = []
    for index in range(len(batches)):
        inputs, targets, weights = batches[index]
        assert inputs.shape == targets.shape == (*weights.shape, 3)
        assert inputs.shape[1] % 32 == 0
        for x, y, w in zip(inputs, targets, weights, strict=True):
            which, steps = int(x[0, 0]) - 1, int(w.sum())
            assert steps == lengths[which]
            assert (w[:steps] == 1).all()
            assert (x[:steps] == which + 1).all()
            assert (y[:steps] == which + 1).all()
            assert not x[steps:].any()
            seen.append(which)
    assert sorted(seen) == list(range(len(lengths)))


def test_pieces_of_one_length_come_together():
    part = music.part_of([(str(i), np.zeros((2 + i % 50, 3))) for i in range(200)])
    batches = SequenceBatches(part, 8, 0, masked=True, dtype=np.float32, prefetch=0)
    orders = []
    for epoch in (0, 1):
        lengths = part.lengths[batches.order(epoch)].reshape(-1, 8)
        assert (lengths.max(axis=1) - lengths.min(axis=1)).max() <= 14
        assert len(set(lengths.mean(axis=1).round())) > 10
        assert not (np.diff(lengths.mean(axis=1)) > 0).all()
        orders.append(batches.order(epoch).tolist())
    assert orders[0] != orders[1]
    assert batches.order(0).tolist() == orders[0]


@settings(max_examples=15)
@given(lengths=st.lists(st.integers(1, 70), min_size=1, max_size=6), seed=st.integers(0, 9))
def test_the_loss_of_a_padded_batch_is_the_mean_over_its_steps(lengths, seed):
    random = np.random.default_rng(seed)
    part = music.part_of([(str(i), (random.random((n + 1, 5)) < 0.3).astype(np.uint8)) for i, n in enumerate(lengths)])
    _, targets, weights = part.read(np.arange(len(lengths)), masked=True)
    logits = random.normal(0, 3, targets.shape).astype(np.float32)
    total = sum(
        -np.log(1 / (1 + np.exp(-z if y else z)))
        for row, n in enumerate(lengths)
        for y, z in zip(targets[row, :n].ravel(), logits[row, :n].ravel().astype(float), strict=True)
    )
    loss = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(KeysNLL()))
    assert float(loss(targets.astype("float32"), logits, weights)) == pytest.approx(total / sum(lengths), rel=1e-4)
    by_step = np.concatenate([nll(targets[row, :n], logits[row, :n]) for row, n in enumerate(lengths)])
    assert by_step.sum() == pytest.approx(total, rel=1e-6)


def test_pieces_are_evaluated_as_if_each_came_alone():
    model = network.build(SMALL, "float32")
    part = music.part_of([(str(i), rolls.roll(n, i)) for i, n in enumerate((5, 80, 33, 34, 9))])
    together = dict(outputs(model, part, steps=100))
    assert sorted(together) == list(range(5))
    for row, said in together.items():
        alone = np.asarray(model.predict_on_batch(np.asarray(part.inputs[row])[None].astype("float32")))[0]
        np.testing.assert_allclose(said, alone, rtol=1e-4, atol=1e-5)
    whole = [nll(part.targets[row], together[row]) for row in range(5)]
    assert evaluate(model, part)["nll"] == pytest.approx(np.concatenate(whole).mean(), rel=1e-6)


def test_what_is_known_without_a_network():
    part = music.part_of([("a", np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.uint8))])
    np.testing.assert_allclose(1 / (1 + np.exp(-frequencies(part))), [3 / 5, 2 / 5])
    np.testing.assert_allclose(1 / (1 + np.exp(-transitions(part))), [[2 / 3, 1 / 3], [2 / 4, 2 / 4]])


@pytest.mark.parametrize("kind", ["tcn", "lstm", "gru"])
@pytest.mark.parametrize(
    ("task", "options"), [("music", {}), ("adding-problem", {"kernel_size": 3, "filters": 5, "blocks": 4})]
)
def test_networks_have_the_parameters_that_recipes_tell(task, kind, options):
    recipe = find(task, "").replace({"network": kind, **options})
    made = network.build(recipe, "float32")
    wanted = recipe.tcn_parameters
    counted = wanted if kind == "tcn" else recipe.recurrent_parameters(recipe.units)
    assert made.count_params() == counted
    if kind != "tcn":
        around = [abs(recipe.recurrent_parameters(recipe.units + by) - wanted) for by in (-1, 0, 1)]
        assert around[1] == min(around)
        assert around[1] / wanted < 0.05


def test_without_dilation_it_is_the_same_network():
    flat = SMALL.replace({"rates": 1})
    assert (flat.schedule, SMALL.schedule) == ((1, 1), (1, 2))
    assert (flat.field, SMALL.field) == (5, 7)
    assert flat.tcn_parameters == SMALL.tcn_parameters
    model = network.build(SMALL, "float32")
    assert atrous.field.analyze(model).output.size == (7,)


def test_published_sizes():
    """Of the paper's networks, as in the table of `atrous.models.TCN`."""
    assert find("music", "jsb-chorales").replace({"filters": 150, "kernel_size": 3, "blocks": 2}).tcn_parameters == 269_938
    assert find("music", "nottingham").replace({"filters": 150, "kernel_size": 6, "blocks": 4}).tcn_parameters == 1_053_238


def test_predict_gives_every_piece_its_likelihood(run, folder, tmp_path, monkeypatch, capsys):
    bad = tmp_path / "bad.mat"
    bad.write_bytes(b"no music")
    mixed = tmp_path / "mixed.mat"
    savemat(mixed, {"mine": rolls.roll(20, 3), "half": rolls.roll(20, 3) / 2})
    files = [folder / "Walks_And_Basses.mat", bad, mixed]
    code, out, err = command(["predict", run.path, *files, "--output", tmp_path / "out"], monkeypatch, capsys)
    assert code == 1
    told = [json.loads(line) for line in out.splitlines()]
    tested = [each for each in told if each.get("piece", "").startswith("testdata")]
    total = sum(each["nll"] * each["steps"] for each in tested)
    assert total / 132 == pytest.approx(run.test["nll"], rel=1e-5)
    assert [each["piece"] for each in tested] == ["testdata 1", "testdata 2", "testdata 3"]
    assert "bad.mat must be a MATLAB file. Received: one that can't be read" in err
    assert "half 1 of mixed.mat must hold 0 and 1 alone. Received: 0.5." in err
    assert "validdata 2 of Walks_And_Basses.mat must have two steps or more" in err
    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(told)
    assert [row["nll"] for row in rows if row["piece"] == "mine 1"] == [f"{told[-2]['nll']:.10g}"]


def test_the_page_shows_pieces_and_what_they_are_worth(run):
    page = run.report_file.read_text("utf-8")
    for words in (
        "Test NLL",
        "whether each key sounded",
        "how often each key sounds",
        "validdata 2",
        "Silent from",
        "--network lstm",
    ):
        assert words in page
    assert page.count('aria-label="Piano roll of testdata') == 2
    assert not re.search(r"@import|url\((?!#)|src=\"(?!data:)", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_resumed_run_goes_on(run, tmp_path, monkeypatch):
    monkeypatch.setattr("atrous.report.write", lambda run: run.report_file.write_text("report"))
    copy = Run(shutil.copytree(run.path, tmp_path / "copy"))
    longer = atrous.train(resume=copy, epochs=4, quiet=True)
    assert [row["epoch"] for row in longer.metrics] == [1, 2, 3, 4]
    assert longer.metrics[:3] == run.metrics


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"traindata": rolls.roll(9), "x": 1}, "must have the variables traindata, validdata, testdata. Received: none called"),
        ({n: rolls.roll(9)[:, :80] for n in music.VARIABLES.values()}, r"traindata 1 must have 88 columns, .*\(9, 80\)"),
        ({n: 2 * rolls.roll(9) for n in music.VARIABLES.values()}, "must hold 0 and 1 alone. Received: 2."),
        ({n: rolls.roll(1) for n in music.VARIABLES.values()}, "must have two steps or more"),
        (dict.fromkeys(music.VARIABLES.values(), "text"), "must have 88 columns"),
    ],
)
def test_files_that_are_no_music(variables, message, tmp_path):
    savemat(tmp_path / "x.mat", variables)
    with pytest.raises(ValueError, match=message):
        music.load(str(tmp_path / "x.mat"), SMALL)


def test_a_piece_that_cannot_be_used_is_left_out_or_an_error(folder):
    held = music.load(str(folder / "Walks_And_Basses.mat"), SMALL)
    assert [name for name, _ in held.skipped] == ["validdata 2"]
    assert held.notes == ("Silent from beginning to end: validdata 3.",)
    with pytest.raises(ValueError, match=r"validdata 2 of Walks_And_Basses.mat must have two steps or more"):
        music.load(str(folder / "Walks_And_Basses.mat"), SMALL.replace({"strict": True}))


def test_which_file_of_a_folder(folder, tmp_path):
    assert music.find(folder, "oth").name == "other.mat"
    for data_set, message in (
        (None, "`data_set` must name one of Walks_And_Basses, other: .* has several"),
        ("chess", "`data_set` must be the beginning of one of Walks_And_Basses, other. Received: data_set='chess'"),
    ):
        with pytest.raises(ValueError, match=message):
            music.find(folder, data_set)
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError, match=r"`data` must be a .mat file, or a folder of them"):
            music.find(place)


def test_a_roll_is_drawn_with_runs_and_shapes_must_agree():
    made = np.zeros((6, 88))
    made[1:4, 40] = made[5, 40] = 1
    axes = plots.piano_roll(made, made * 0.7)
    bars = axes.collections[-1 - 2].get_paths()
    assert axes.figure.axes[1].images[0].get_array().shape == (5, 6, 4)
    assert sum(len(each.get_paths()) for each in axes.collections) == 2
    assert bars is not None
    with pytest.raises(ValueError, match=r"`probabilities` must have the roll's shape, \(6, 88\). Received: \(5, 88\)"):
        plots.piano_roll(made, made[1:])


def test_a_part_knows_its_lengths():
    part = SequencePart([np.zeros((3, 2)), np.zeros((5, 2))], [np.zeros(1), np.ones(1)], ["a", "b"], each_step=False)
    inputs, targets, weights = part.read([0, 1], masked=True)
    assert (inputs.shape, targets.shape, weights.sum()) == ((2, 32, 2), (2, 1), 8)
