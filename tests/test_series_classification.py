"""Series classification from end to end on waves that only their length tells apart: one run, which most tests look at."""

import json
import re
import shutil
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import atrous
from atrous import plots, tasks
from atrous.cli import main
from atrous.models.series_classifier import HEAD, SeriesAverage, SeriesClassifier, SeriesScaling
from atrous.recipes import find
from atrous.run import Run
from atrous.tasks.series_classification import baselines, distances, network, plan
from atrous.tasks.series_classification.batches import SeriesBatches, padded, probabilities
from atrous.tasks.series_classification.data import SeriesCases, load
from atrous.tasks.series_classification.report import chosen, evidence

RECIPE = find("series-classification", "")
SMALL = {"filters": 4, "epochs": 3, "cases": 64, "blocks": 3, "batch_size": 16}
NAMES = ("up & down", "flat", "slow")


def lines(number, seed, classes=NAMES, channels=2, steps=(20, 33)):
    """Cases of two channels: noise, and a wave whose length is the class."""
    draw = np.random.default_rng(seed)
    for i in range(number):
        n, label = int(draw.integers(*steps)), i % len(classes)
        wave = np.sin(2 * np.pi * np.arange(n) / (4, 1e9, 16)[label] + draw.uniform(0, 6))
        rows = [7 + 3 * wave + 0.1 * draw.standard_normal(n), *(draw.standard_normal((channels - 1, n)))]
        yield ":".join([*(",".join(f"{v:.4f}" for v in row) for row in rows), f'"{classes[label]}"'])


def write(folder, name, cases, classes=NAMES, extra=""):
    folder.mkdir(exist_ok=True, parents=True)
    quoted = " ".join(f'"{each}"' for each in classes)
    text = f"@problemName Waves\n@univariate false\n{extra}@CLASSLABEL true {quoted}\n@data\n" + "\n".join(cases) + "\n"
    (folder / name).write_text(text)
    return folder / name


def command(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["atrous", *map(str, words)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code, *capsys.readouterr()


@pytest.fixture(scope="module")
def data(once):
    def make(place):
        broken = list(lines(36, 0))
        broken[4] = broken[4].replace(",", ",oops", 1)
        write(place / "Waves", "Waves_TRAIN.ts", broken)
        held = list(lines(24, 1))
        held[0] = re.sub(r"^[^,]*,[^,]*", "?,?", held[0])
        write(place / "Waves", "Waves_TEST.ts", held)

    return once("series-classification-data", make) / "Waves"


@pytest.fixture(scope="module")
def run(data, once):
    def make(place):
        atrous.train("series-classification", data, output=place / "first", quiet=True, **SMALL)

    return Run(once("series-classification", make) / "first")


def test_a_run_learns_and_its_figures_are_a_count_by_hand(run):
    rows, held, model = run.metrics, run.load_data(), run.load_model()
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert tasks.find("series-classification").facts(held) == run.config.facts  # or it could not be resumed
    assert (run.config.class_names, run.config.channels, run.config.skipped) == (NAMES, 2, ("Waves_TRAIN.ts, line 9",))
    assert run.config.examples == {"train": 70, "validation": 35, "test": 24}
    right = 0
    for series, label in zip(held.test.series, held.test.labels, strict=True):
        right += int(probabilities(model, [series], held.plan).argmax() == label)
    assert run.test["accuracy"] == pytest.approx(right / 24)
    assert np.trace(run.test["confusion"]) == right
    assert json.loads(json.dumps(atrous.evaluate(run))) == run.test


def test_of_equally_good_epochs_that_with_the_least_loss_is_kept(run):
    rows = [
        {"epoch": i, "val_accuracy": share, "val_loss": loss} for i, share, loss in ((1, 1, 0.3), (2, 1, 0.1), (3, 0.9, 0.0))
    ]
    assert run.best(rows) is rows[1]
    assert run.best([*rows, {**rows[1], "epoch": 4}]) is rows[1]


def test_the_page_tells_what_the_run_has(run):
    page = run.report_file.read_text()
    for words in (
        "35 training series of 20 to 32 steps in 2 channels, 3 classes",
        "1-NN, DTW",
        "1-NN, Euclidean, stretched to one length",
        "Confusion matrix",
        "none of which was held out",
        "1 case could not be read",
        "1 of 59 series have missing values",
        "Waves_TRAIN.ts, line 9: values must be numbers",
        "up &amp; down",
    ):
        assert words in page, words
    kept = json.loads((run.path / baselines.FILE).read_text())
    assert [row["examples"] for row in kept["baselines"]] == [[24, 24], [24, 24]]


def test_the_neighbours_are_computed_once(run, monkeypatch):
    held = run.load_data()
    monkeypatch.setattr(baselines, "compute", None)
    first, second = baselines.of_run(run, held)
    assert (first.examples, second.name) == ((24, 24), "1-NN, DTW")


def test_predict_takes_cases_and_tables(run, data, tmp_path, monkeypatch, capsys):
    held = run.load_data().test
    table = tmp_path / "in" / "one.csv"
    table.parent.mkdir()
    np.savetxt(table, held.series[1], delimiter=",", header="a,b", comments="")
    shutil.copy(data / "Waves_TEST.ts", table.parent)
    (table.parent / "bad.ts").write_bytes(b"\x00\xff\xfe")
    code, out, err = command(["predict", run.path, table.parent, "--output", tmp_path, "--top", "2"], monkeypatch, capsys)
    told = [json.loads(line) for line in out.splitlines()]
    assert (code, len(told)) == (1, 26)
    assert "binary or damaged" in err
    said = probabilities(run.load_model(), held.series, run.load_data().plan)
    cases = [row for row in told if row.get("line")]
    assert [row["class"] for row in cases] == [NAMES[i] for i in said.argmax(axis=1)]
    assert [row["line"] for row in cases] == list(range(5, 29))
    np.testing.assert_allclose([row["probability"] for row in cases], said.max(axis=1), rtol=1e-4)
    (one,) = [row for row in told if row["file"].endswith("one.csv")]
    assert (one["class"], len(one["top"])) == (cases[1]["class"], 2)
    written = (tmp_path / "predictions.csv").read_text().splitlines()
    assert written[0] == "file,class,probability,class_2,probability_2,error"
    assert len(written) == 27
    assert f"{table.parent / 'Waves_TEST.ts'}:5," in "\n".join(written)
    unlabelled = write(tmp_path, "x.ts", ["1,2,3:4,5,6"]).read_text()
    (tmp_path / "x.ts").write_text(re.sub(r"@CLASS.*\n", "", unlabelled))
    (only,) = atrous.predict(run, tmp_path / "x.ts")
    assert only.error is None
    for text, why in (("1,2,3\n", "a column a channel, 2"), ("a,b\n1,x\n", "line 2: 'x'"), ("a,b\n", "finite numbers")):
        table.write_text(text)
        assert why in atrous.predict(run, table)[0].error


def test_what_fills_up_changes_nothing(run):
    held, model = run.load_data(), run.load_model()
    series = held.test.series[2]
    some, more = (model.predict_on_batch(padded([series], steps)) for steps in (len(series), 64))
    np.testing.assert_allclose(some, more, rtol=2e-4)
    strided = network.build(
        RECIPE.replace({"filters": 3}), plan.make(RECIPE.replace({"stride": 3}), held.train.series), 3, "float32"
    )
    some, more = (strided.predict_on_batch(padded([series], steps, 3)) for steps in (1, 64))
    np.testing.assert_allclose(some, more, rtol=2e-4)


def test_the_evidence_adds_up_to_the_difference_of_the_scores(run):
    held, model = run.load_data(), run.load_model()
    series = held.test.series[5]
    added = evidence(model, series, held.plan, 0, 2)
    bias = keras.ops.convert_to_numpy(model.get_layer(HEAD).bias)
    said = np.log(probabilities(model, [series], held.plan)[0].astype(float))
    assert added.shape == (len(series),)
    np.testing.assert_allclose(added.mean() + bias[0] - bias[2], said[0] - said[2], rtol=1e-3, atol=1e-4)


def test_rates_1_is_the_same_network_without_dilation():
    series = [np.zeros((100, 1), np.float32)]
    made, flat = (plan.make(RECIPE.replace(options), series) for options in ({}, {"rates": 1}))
    assert (made.rates, made.field) == ((1, 2, 4, 8, 16), 7 + 4 * 31)
    assert (flat.rates, flat.field) == ((1,) * 5, 7 + 4 * 5)
    counts = [network.build(RECIPE, each, 2, "float32").count_params() for each in (made, flat)]
    assert counts[0] == counts[1]
    long = plan.make(RECIPE, [np.zeros((3000, 1), np.float32)])
    assert long.stride == 12
    assert long.field >= 3000
    assert plan.Plan.from_json(json.loads(json.dumps(long.to_json()))) == long


def test_levels_are_left_out_where_they_would_hide_the_shape():
    wave = np.sin(np.arange(30, dtype=np.float32))[:, None]
    far = [wave + 1000 * i for i in range(9)]
    near = [wave + 0.5 * i for i in range(9)]
    assert plan.make(RECIPE, far).per_case
    assert not plan.make(RECIPE, near).per_case
    assert not plan.make(RECIPE.replace({"normalize": "data"}), far).per_case
    layer = SeriesScaling((4000.0,), (2582.0,), per_case=True)
    scaled, there = (np.asarray(each) for each in layer(padded(far[1:3], 40)))
    for row in scaled:
        np.testing.assert_allclose(row[:30, 0], (wave[:, 0] - wave.mean()) / wave.std(), atol=2e-2)
    assert not scaled[:, 30:].any()
    np.testing.assert_array_equal(there.sum(axis=(1, 2)), 30)


@settings(max_examples=20)
@given(st.integers(0, 4), st.integers(0, 3), st.lists(st.sampled_from(["jitter", "scale", "warp", "crop"]), unique=True))
def test_an_epoch_has_every_case_as_often_and_is_the_same_again(seed, epoch, augment):
    draw = np.random.default_rng(0)
    series = tuple(draw.standard_normal((n, 2)).astype(np.float32) for n in (1, 2, 9, 30, 31))
    part = SeriesCases(series, np.arange(5), ("",) * 5, passes=2)
    made = plan.make(RECIPE, series)
    first, second = (SeriesBatches(part, made, 4, seed, augment, prefetch=0) for _ in range(2))
    first.epoch = second.epoch = epoch
    batches = [first[i] for i in range(len(first))]
    assert sorted(np.concatenate([labels for _, labels in batches]).tolist()) == sorted([*range(5)] * 2)
    for (x, labels), i in zip(batches, range(len(second)), strict=True):
        np.testing.assert_array_equal(second[i][0], x)
        assert x.shape[1:] == (31, 3)
        for row, label in zip(x, labels, strict=True):
            n = int(row[:, -1].sum())
            assert n == len(series[label]) or ("crop" in augment and 0.8 * len(series[label]) - 1 <= n)
            assert not row[n:].any()
            if not augment:
                np.testing.assert_array_equal(row[:n, :-1], series[label])


def warping(a, b, apart):
    """By the definition: a cell at a time."""
    cost = np.full((len(a) + 1, len(b) + 1), np.inf)
    cost[0, 0] = 0
    for i in range(len(a)):
        for j in range(len(b)):
            if abs(i - j) <= apart:
                step = ((a[i].astype(float) - b[j]) ** 2).sum()
                cost[i + 1, j + 1] = step + min(cost[i, j], cost[i, j + 1], cost[i + 1, j])
    return cost[-1, -1]


@settings(max_examples=40)
@given(st.integers(1, 9), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 3), st.integers(0, 99))
def test_warping_is_the_least_sum_over_all_alignments(n, lengths, channels, seed):
    draw = np.random.default_rng(seed)
    series, *others = (draw.standard_normal((k, channels)).astype(np.float32) for k in (n, *lengths))
    found = distances.warped(series, others)
    np.testing.assert_allclose(found, [warping(series, other, 99) for other in others], rtol=1e-5)
    alike = [draw.standard_normal((n, channels)).astype(np.float32) for _ in lengths]
    within = distances.warped(series, alike, 0.25)
    np.testing.assert_allclose(within, [warping(series, other, max(1, -(-n // 4))) for other in alike], rtol=1e-5)
    np.testing.assert_allclose(
        distances.euclidean(series, alike), [((series - other) ** 2).sum() for other in alike], rtol=1e-5
    )


def test_warping_that_would_take_too_long_is_told():
    draw = np.random.default_rng(0)
    part = SeriesCases(
        tuple(draw.standard_normal((20, 1)).astype(np.float32) for _ in range(10)), np.arange(10) % 2, ("",) * 10
    )
    made = plan.make(RECIPE, part.series)
    for most, name, examples in (
        (1e9, "1-NN, DTW", (10, 10)),
        (39_999, "1-NN, DTW within 10 % of the length", (10, 10)),
        (4_000, "1-NN, DTW within 10 % of the length", (5, 10)),
        (1, "1-NN, DTW within 10 % of the length", (0, 10)),
    ):
        euclidean, found = baselines.compute(part, part, made, most)
        assert (found.name, found.examples, euclidean.accuracy) == (name, examples, 1.0)
        assert found.accuracy == (1.0 if examples[0] else None)
        assert bool(found.note) == (most < 1e9)


def test_cases_are_shown_of_every_class():
    said = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6], [0.95, 0.05]])
    assert chosen(said, np.array([0, 0, 1, 0, 1]), 2) == ([0, 2], [4, 3])


def test_series_with_evidence_are_drawn():
    axes = plots.evidence(np.arange(8.0).reshape(4, 2), [1, -1, 0, 0.5])
    thick = [len(each.get_segments()) for each in axes.collections]
    assert thick == [1, 2, 1, 2]
    with pytest.raises(ValueError, match=r"a weight a step\. Received: shapes \(4, 2\) and \(3,\)"):
        plots.evidence(np.zeros((4, 2)), [1, 2, 3])


def test_keras_knows_its_layers_after_import():
    for found in (SeriesScaling, SeriesAverage):
        assert keras.saving.get_registered_object(f"atrous>{found.__name__}") is found


def test_a_constant_is_no_division_by_zero():
    model = SeriesClassifier(1, 2, (5.0,), (1.0,), per_case=True, rates=(1,), filters=2)
    assert np.isfinite(
        model.predict_on_batch(padded([np.full((6, 1), 5.0, np.float32), np.full((3, 1), 1e30, np.float32)], 6))
    ).all()


MISTAKES = {
    "two sets": r"must be one data set\. Received: .* with 2: A, B\. Name one: --data \S*data/A$",
    "nothing": r"a folder with NAME_TRAIN\.ts and NAME_TEST\.ts, or a \.ts file\. Received: .*, without any",
    "missing": r"which isn't there",
    "format": r"must be a file that ends in \.ts or \.tsv",
    "channels": r"as many channels for training as for the test\. Received: A_TRAIN\.ts with 2, A_TEST\.ts with 1",
    "one class": r"two classes or more\. Received: .* with up & down",
    "empty": r"which is empty",
    "lonely": r"a class with two cases, to be split",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_before_anything_is_trained(mistake, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "data"
    folder.mkdir()
    source = folder
    if mistake == "two sets":
        for name in "AB":
            for part in ("TRAIN", "TEST"):
                write(folder / name, f"{name}_{part}.ts", lines(3, 0))
    elif mistake == "missing":
        source = folder / "nowhere"
    elif mistake == "format":
        source = write(folder, "a.arff", lines(3, 0))
    elif mistake == "channels":
        write(folder, "A_TRAIN.ts", lines(6, 0))
        write(folder, "A_TEST.ts", lines(6, 0, channels=1))
    elif mistake == "one class":
        source = write(folder, "a.ts", lines(6, 0, NAMES[:1]), NAMES[:1])
    elif mistake == "empty":
        write(folder, "A_TRAIN.ts", lines(6, 0))
        (folder / "A_TEST.ts").touch()
    elif mistake == "lonely":
        source = write(folder, "a.ts", lines(3, 0))
    words = ["train", "series-classification", "--data", source, "--output", tmp_path / "run"]
    code, _, err = command(words, monkeypatch, capsys)
    assert code != 0
    assert re.search(MISTAKES[mistake], " ".join(err.split()))
    assert not (tmp_path / "run").exists()


def test_what_is_odd_is_told(tmp_path):
    train = [*lines(12, 0, NAMES[:2]), f'{"1,1,1:2,2,2"}:"slow"']
    write(tmp_path, "A_TRAIN.ts", train)
    write(tmp_path, "A_TEST.ts", [*lines(4, 1, NAMES[1:]), '1,2:?,?:"new"'], (*NAMES, "new"))
    held = load(str(tmp_path), RECIPE)
    told = " ".join(held.notes)
    assert held.class_names == ("flat", "new", "slow", "up & down")
    for words in (
        "No training case of class new: the 1 of the test count as mistakes",
        "There is one training case alone of class slow.",
        "There is no test case of class up & down.",
        "1 of 18 series have missing values",
        "1 of 18 series are constant",
    ):
        assert words in told, told
    assert probabilities(network.build(RECIPE, held.plan, 4, "float32"), held.test.series, held.plan).shape == (5, 4)


def test_one_file_is_split_by_the_seed(tmp_path):
    file = write(tmp_path, "all.ts", lines(60, 0))
    held, again, other = (load(str(file), RECIPE.replace({"seed": seed, "validation": 0.25})) for seed in (0, 0, 1))
    assert [len(part.series) for part in (held.train, held.validation, held.test)] == [36, 12, 12]
    names = [*held.train.names, *held.validation.names, *held.test.names]
    assert len(set(names)) == 60
    assert held.test.names == again.test.names != other.test.names
    assert held.held_out
    assert "has no test file beside it: 12 of its 60 cases" in held.notes[0]
    folder = tmp_path / "pair"
    for part in ("train", "test"):
        write(folder, f"Pair_{part}.TS", lines(6, 0))
    for source in (folder, folder / "Pair_train.TS", tmp_path / "pair"):
        assert len(load(str(source), RECIPE).test) == 6
