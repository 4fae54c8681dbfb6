"""Copy memory and the adding problem: what is drawn, how it is scored, and a small run of each from end to end."""

import dataclasses
import json
import re
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import atrous
from atrous import plots
from atrous.cli import main
from atrous.recipes import find
from atrous.run import Run
from atrous.tasks.adding_problem import data as adding
from atrous.tasks.adding_problem import evaluation as added
from atrous.tasks.copy_memory import data as copying
from atrous.tasks.copy_memory import evaluation as copied
from atrous.tasks.sequence_modelling.sequences import SequencePart

COPY = {"length": 3, "sequences": 320, "epochs": 2, "blocks": 4, "filters": 8, "kernel_size": 3, "learning_rate": 0.01}
ADD = {"length": 12, "sequences": 640, "epochs": 2, "blocks": 2, "filters": 8, "kernel_size": 3, "learning_rate": 0.01}


def command(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["atrous", *map(str, words)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code, *capsys.readouterr()


@pytest.fixture(scope="module")
def runs(once):
    def make(place):
        atrous.train("copy-memory", output=place / "copy", quiet=True, **COPY)
        atrous.train("adding-problem", output=place / "add", quiet=True, **ADD)

    place = once("memory-tasks", make)
    return Run(place / "copy"), Run(place / "add")


@settings(max_examples=25)
@given(length=st.integers(1, 40), count=st.integers(1, 6), seed=st.integers(0, 99))
def test_sequences_of_copy_memory(length, count, seed):
    inputs, targets = copying.draw(np.random.default_rng(seed), count, length)
    assert inputs.shape == (count, length + 20, 1)
    assert targets.shape == (count, length + 20)
    for x, y in zip(inputs[..., 0].tolist(), targets.tolist(), strict=True):
        assert x[10:] == [0] * (length - 1) + [9] * 11
        assert set(x[:10]) <= set(range(1, 9))
        assert y == [0] * (length + 10) + x[:10]
    np.testing.assert_array_equal(copying.asked(inputs, "x"), inputs)


@settings(max_examples=25)
@given(length=st.integers(2, 40), count=st.integers(1, 6), seed=st.integers(0, 99))
def test_sequences_of_the_adding_problem(length, count, seed):
    inputs, targets = adding.draw(np.random.default_rng(seed), count, length)
    assert inputs.shape == (count, length, 2)
    assert targets.shape == (count, 1)
    for x, y in zip(inputs, targets, strict=True):
        assert sorted(x[:, 1])[-3:] in ([0, 1, 1], [1, 1])
        assert x[:, 1].sum() == 2
        assert ((x[:, 0] >= 0) & (x[:, 0] < 1)).all()
        assert y[0] == pytest.approx((x[:, 0] * x[:, 1]).sum())
    np.testing.assert_array_equal(adding.asked(inputs, "x"), inputs)


def test_every_digit_and_every_place_is_as_likely():
    inputs, _ = copying.draw(np.random.default_rng(0), 4000, 5)
    counts = np.bincount(inputs[:, :10].ravel(), minlength=10)
    assert counts[0] == counts[9] == 0
    assert np.abs(counts[1:9] / 5000 - 1).max() < 0.06
    marks = adding.draw(np.random.default_rng(0), 20_000, 8)[0][..., 1].mean(axis=0)
    assert np.abs(marks - 2 / 8).max() < 0.015


def test_the_same_seed_draws_the_same_and_no_part_another(runs):
    recipe = find("copy-memory", "").replace({"length": 9, "sequences": 50})
    task = atrous.tasks.find("copy-memory")
    one, same, other = (task.load("copy-memory", recipe.replace({"seed": seed})) for seed in (3, 3, 4))
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(one, part).inputs, getattr(same, part).inputs)
        assert (getattr(one, part).inputs[:5] != getattr(other, part).inputs[:5]).any()
    assert (len(one.train), len(one.validation), len(one.test)) == (50, 5, 5)
    assert (one.train.inputs[:5] != one.test.inputs).any()
    assert len(find("copy-memory", "").name) > 0
    assert runs[0].config.examples == {"train": 320, "validation": 32, "test": 32}


class Says:
    """A model whose answers are known."""

    def __init__(self, answers):
        self.answers, self.at = answers, 0

    def predict_on_batch(self, inputs):
        self.at += len(inputs)
        return self.answers[self.at - len(inputs) : self.at]


def test_recall_and_loss_are_what_a_count_by_hand_gives():
    inputs, targets = copying.draw(np.random.default_rng(1), 7, 4)
    logits = np.random.default_rng(2).normal(0, 2, (*targets.shape, 10))
    logits[np.arange(7)[:, None], np.arange(24), targets] += np.random.default_rng(3).integers(0, 6, (7, 24))
    found = copied.evaluate(Says(logits), SequencePart(inputs, targets, [""] * 7))
    right, total = np.zeros((7, 10)), 0.0
    for i in range(7):
        for t in range(24):
            total -= np.log(np.exp(logits[i, t, targets[i, t]]) / np.exp(logits[i, t]).sum())
        for j in range(10):
            right[i, j] = max(range(10), key=lambda s: logits[i, 14 + j, s]) == inputs[i, j, 0]
    assert 0.2 < right.mean() < 1
    assert found["recall"] == pytest.approx(right.mean())
    assert found["places"] == pytest.approx(right.mean(axis=0).tolist())
    assert found["whole"] == pytest.approx((right.sum(axis=1) == 10).mean())
    assert found["loss"] == pytest.approx(total / (7 * 24))


def test_without_memory_the_loss_is_that_of_guessing():
    inputs, targets = copying.draw(np.random.default_rng(1), 50, 30)
    logits = np.full((50, 50, 10), -60.0)
    logits[:, :40, 0] = 60
    logits[:, 40:, 1:9] = 0
    found = copied.evaluate(Says(logits), SequencePart(inputs, targets, [""] * 50))
    assert found["loss"] == pytest.approx(copied.without_memory(30))
    assert found["recall"] == pytest.approx(1 / 8, abs=0.05)


def test_errors_of_sums_and_the_baseline():
    inputs, targets = adding.draw(np.random.default_rng(1), 4000, 6)
    found = added.evaluate(Says(targets + 0.5), SequencePart(inputs, targets, [""] * 4000, each_step=False))
    assert (found["mse"], found["mae"], found["worst"]) == pytest.approx((0.25, 0.5, 0.5))
    assert found["always_one"] == pytest.approx(added.WITHOUT, rel=0.05)


def test_runs_learn_and_say_how_well(runs):
    copy, add = runs
    assert set(copy.metrics[0]) == {"epoch", "loss", "val_loss", "val_recall", "learning_rate", "seconds"}
    assert copy.metrics[-1]["loss"] < copy.metrics[0]["loss"]
    assert copy.test["loss"] == pytest.approx(copy.metrics[-1]["val_loss"], rel=0.3)
    assert add.test["mse"] < add.test["always_one"]
    assert add.best(add.metrics)["val_mse"] == min(row["val_mse"] for row in add.metrics)
    for run in runs:
        assert json.loads(json.dumps(atrous.evaluate(run))) == run.test
    assert copy.config.command == (
        "atrous train copy-memory --data copy-memory --epochs 2 --learning-rate 0.01 --blocks 4 --filters 8 --kernel-size 3 "
        "--length 3 --examples 320"
    )


def test_the_field_covers_what_is_to_be_remembered_and_else_it_is_said():
    auto = find("adding-problem", "").replace({"length": 100, "kernel_size": 3})
    auto = dataclasses.replace(auto, blocks=None)
    assert auto.schedule == (1, 2, 4, 8, 16)
    assert auto.field == 125
    recipe = find("copy-memory", "")
    assert recipe.field >= recipe.needs == 511
    assert len(recipe.replace({"rates": 1}).schedule) == len(recipe.schedule)
    task = atrous.tasks.find("copy-memory")
    short = recipe.replace({"rates": 1, "sequences": 4})
    (note,) = task.notes(task.load("copy-memory", short))
    assert note.startswith("The network sees 113 of 511 steps: no digit can be recalled when it is asked for.")
    assert task.notes(task.load("copy-memory", recipe.replace({"sequences": 4}))) == []
    assert task.notes(task.load("copy-memory", short.replace({"network": "gru"}))) == []


def test_a_field_sees_a_digit_just_where_needs_says():
    """The gradient of the first answer by the first digit is there with a field of `needs` steps, and isn't with one less."""
    for length, reached in ((2, True), (3, False)):
        recipe = find("copy-memory", "").replace({"length": length, "blocks": 2, "kernel_size": 3, "filters": 3})
        assert (recipe.field, recipe.needs) == (13, length + 11)
        model = atrous.tasks.find("copy-memory").build(_Config(recipe), "float32")
        x = np.zeros((1, length + 20, 1), "float32")
        changed = x.copy()
        changed[0, 0] = 5
        said, other = (np.asarray(model.predict_on_batch(each))[0] for each in (x, changed))
        assert (said[-10] != other[-10]).any() == reached


class _Config:
    def __init__(self, recipe):
        self.recipe = recipe


def test_pages_show_what_was_said(runs):
    for run, words in zip(
        runs,
        (
            ("Test recall", "Recall of each digit", "Recall after another silence", "T = 6", "from a digit to its answer"),
            ("Test MSE", "By how far back the first mark lies", "Sums as said beside true ones", "a sequence"),
        ),
        strict=True,
    ):
        page = run.report_file.read_text("utf-8")
        assert all(each in page for each in (*words, "--network gru"))
        assert not re.search(r"@import|url\((?!#)|src=\"(?!data:)", page)
        ids = re.findall(r'\bid="([^"]+)"', page)
        assert len(ids) == len(set(ids))


def test_predict_answers_arrays_and_says_what_they_must_be(runs, tmp_path, monkeypatch, capsys):
    inputs, targets = copying.draw(np.random.default_rng(5), 3, 3)
    np.save(tmp_path / "asked.npy", inputs[..., 0])
    np.save(tmp_path / "one.npy", inputs[0])
    np.save(tmp_path / "wrong.npy", np.ones((2, 30)))
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "song.mid").write_text("")
    files = [tmp_path / name for name in ("asked.npy", "wrong.npy", "text.npy", "song.mid", "none.npy")]
    code, out, err = command(["predict", runs[0].path, *files], monkeypatch, capsys)
    told = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    logits = np.asarray(runs[0].load_model().predict_on_batch(inputs.astype("float32")))
    assert [each["said"] for each in told[:3]] == logits[:, -10:].argmax(-1).tolist()
    assert "10 digits from 1 to 8 first, then zeros, and 11 nines at the end. Received: 1 1 1" in err
    assert "text.npy must be an array that NumPy saved" in err
    assert "`files` must be arrays, .npy: there are no other files of this task" in err
    assert "No such file or directory" in err
    numbers, sums = adding.draw(np.random.default_rng(5), 3, 20)
    np.save(tmp_path / "sums.npy", numbers)
    np.save(tmp_path / "marks.npy", np.zeros((4, 2)))
    good, bad = (atrous.predict(runs[1], tmp_path / name) for name in ("sums.npy", "marks.npy"))
    model = runs[1].load_model()
    np.testing.assert_allclose([each.said for each in good], np.asarray(model.predict_on_batch(numbers))[:, 0], rtol=1e-5)
    assert sums.shape == (3, 1)
    assert "two marks of 1 among zeros a sequence. Received: numbers from 0 to 0, 0 marks in one." in bad[0].error
    assert targets.shape == (3, 23)


def test_data_of_ones_own_are_refused(monkeypatch, capsys, tmp_path):
    words = ["train", "copy-memory", "--data", tmp_path, "--output", tmp_path / "run"]
    code, _, err = command(words, monkeypatch, capsys)
    assert (code, err.count("\n")) == (2, 1)
    assert "`data` must be left out: the sequences of copy-memory are drawn from the seed." in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "rnn"}, "`network` must be one of tcn, lstm, gru. Received: network='rnn'"),
        ({"kernel_size": 1}, "`kernel_size` must be at least 2, or nothing but the last step is seen"),
        ({"clip": -1}, "`clip` must be a positive number. Received: clip=-1"),
        ({"dropout": 1}, "`dropout` must be between 0 and 1"),
        ({"length": 0}, "`length` must be a positive integer"),
        ({"sequences": 0}, "`sequences` must be a positive integer"),
        ({"blocks": 0}, "`blocks` must be a positive integer"),
    ],
)
def test_a_wrong_option_is_named_with_its_rule(options, message):
    with pytest.raises(ValueError, match=message):
        find("copy-memory", "").replace(options)


def test_gradients_are_clipped_where_the_recipe_says_so():
    from atrous import training

    made = [
        training._build(_ClipConfig(find("copy-memory", "").replace({"clip": clip, "blocks": 1, "filters": 2})))
        for clip in (0.25, 0)
    ]
    assert [model.optimizer.global_clipnorm for model in made] == [0.25, None]


class _ClipConfig(_Config):
    steps = 3


def test_sums_are_drawn_and_must_be_as_many():
    axes = plots.true_and_said([0.5, 1.5], [0.6, 1.4])
    np.testing.assert_allclose(axes.collections[0].get_offsets(), [[0.5, 0.6], [1.5, 1.4]])
    with pytest.raises(ValueError, match=r"`said` must be as many as `true`, one or more. Received: 1 and 2"):
        plots.true_and_said([0.5, 1.5], [1.0])


def test_keras_knows_the_loss_of_music_after_the_task_is_found():
    atrous.tasks.find("music")
    assert keras.saving.get_registered_object("atrous>KeysNLL") is not None


def test_means_are_drawn_at_their_positions():
    axes = plots.by_position([2, 4], [1.0, 3.0], label="NLL")
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[2, 1], [4, 3]])
    with pytest.raises(ValueError, match=r"`values` must be as many as `positions`, one or more. Received: 0 and 1"):
        plots.by_position([2], [], label="NLL")
