"""Forecasting from end to end on a day's wave: one run, which most tests look at."""

import dataclasses
import json
import re
import shutil
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import atrous
import waves
from atrous.cli import main
from atrous.data.series import Series
from atrous.data.timestamps import Grid
from atrous.models.forecaster import ForecastQuantiles
from atrous.recipes import find
from atrous.run import Run
from atrous.tasks.forecasting import baselines, metrics, network, plan
from atrous.tasks.forecasting.data import load
from atrous.tasks.forecasting.evaluation import naive
from atrous.tasks.forecasting.loss import PinballLoss
from atrous.tasks.forecasting.plan import Plan, field_of
from atrous.tasks.forecasting.task import plan_of
from atrous.tasks.forecasting.windows import Channels, WindowBatches, forecasts

OPTIONS = {
    "epochs": 2,
    "windows": 16,
    "filters": 4,
    "horizon": 6,
    "look_back": 48,
    "quantiles": (0.05, 0.25, 0.5, 0.9),
    "quiet": True,
}
SMALL = find("forecasting", "").replace({"filters": 4, "horizon": 6, "windows": 4})


def command(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["atrous", *map(str, words)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code, *capsys.readouterr()


@pytest.fixture(scope="module")
def data(once):
    def make(place):
        frame = pd.concat([waves.table(500, shop="a"), waves.table(450, shop="b"), waves.table(40, shop="short")])
        frame["holiday"] = (np.arange(len(frame)) % 50 < 3).astype(int)
        frame.iloc[100:104, 1] = np.nan
        waves.write(place / "shops.csv", frame.drop(frame.index[[30]]))

    return once("forecasting-data", make) / "shops.csv"


@pytest.fixture(scope="module")
def run(data, once):
    def make(place):
        atrous.train("forecasting", data, output=place / "first", known="holiday", **OPTIONS)

    return Run(once("forecasting", make) / "first")


def test_a_run_learns_and_says_how_well(run):
    rows = run.metrics
    assert set(rows[0]) == {"epoch", "loss", "val_loss", "val_mase", "learning_rate", "seconds"}
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert run.best(rows)["val_mase"] == min(row["val_mase"] for row in rows)
    assert run.config.names == ("a", "b")
    made = plan_of(run.config)
    assert (made.season, made.seasons, made.horizon, made.look_back, made.field) == (24, (24,), 6, 48, 61)
    assert made.calendar == ("hour", "weekday")
    assert set(run.test["series"]) == {"a", "b"}


def test_the_test_is_what_a_count_by_hand_gives(run):
    held, model, made = run.load_data(), run.load_model(), plan_of(run.config)
    scores, below = [], []
    for i, series in enumerate(held.series):
        first, last = held.test.bounds[i]
        trained = series.values[: held.train.bounds[i][1]]
        scale = np.nanmean(np.abs(trained[24:] - trained[:-24]))
        errors = []
        for origin in range(first, last - 5, 6):
            past = dataclasses.replace(series, values=series.values[:origin])
            said = forecasts(model, past, made, np.array([origin]))[0]
            errors += np.abs(series.values[origin : origin + 6] - said[:, 2]).tolist()
            below += [(said[:, 0] <= y) & (y <= said[:, 3]) for y in [series.values[origin : origin + 6]]]
        scores.append(np.nanmean(errors) / scale)
    assert run.test["mase"] == pytest.approx(np.mean(scores), rel=1e-4)
    assert run.test["coverage"] == pytest.approx(np.mean(below), abs=0.02)
    assert json.loads(json.dumps(atrous.evaluate(run))) == run.test


def test_predict_goes_on_behind_the_last_value(run, data, tmp_path, monkeypatch, capsys):
    (lacks, *_) = atrous.predict(run)
    assert "holiday must be known for all 6 steps ahead, 2024-01-21 20:00:00 to 2024-01-22 01:00:00" in lacks.error
    frame = pd.read_csv(data)
    ahead = pd.DataFrame({"timestamp": waves.hours(506)[500:].strftime("%Y-%m-%dT%H:%M"), "shop": "a", "holiday": 0})
    file = waves.write(tmp_path / "next.csv", pd.concat([frame[frame["shop"] == "a"], ahead]))
    code, out, _ = command(["predict", run.path, file, "--output", tmp_path / "out" / "a.csv"], monkeypatch, capsys)
    assert code == 0
    told = json.loads(out)
    written = pd.read_csv(tmp_path / "out" / "a.csv")
    assert list(written.columns) == ["timestamp", "series", "0.05", "0.25", "0.5", "0.9"]
    assert list(written["timestamp"]) == told["timestamps"] == [f"{t:%Y-%m-%dT%H:%M:%S}" for t in waves.hours(506)[500:]]
    np.testing.assert_allclose(written["0.5"], told["quantiles"]["0.5"])
    assert np.abs(written["0.5"] - waves.wave(506, noise=0)[500:]).max() < 0.5
    (again,) = atrous.predict(run, file)
    np.testing.assert_array_equal(again.quantiles[0.5], told["quantiles"]["0.5"])


def test_no_forecast_sees_what_comes(run):
    held, model, made = run.load_data(), run.load_model(), plan_of(run.config)
    series = held.series[0]
    origins = np.array([200, 300])
    values = series.values.copy()
    values[300:] = 1e3
    other = dataclasses.replace(series, values=values)
    np.testing.assert_array_equal(forecasts(model, series, made, origins), forecasts(model, other, made, origins))
    window = Channels(series, made, ahead=6).window(100, 40, 6)
    changed = window.copy()
    changed[-6 - 10 :, :2] = 77.0  # the last ten origins know more than the 30 before
    said, otherwise = (np.asarray(model.predict_on_batch(each[None]))[0] for each in (window, changed))
    np.testing.assert_allclose(said[:30], otherwise[:30], rtol=1e-5)
    assert not np.allclose(said[30:], otherwise[30:])


def test_training_sees_nothing_of_validation_and_test(data):
    held = load(str(data), SMALL)
    part = held.train
    last = part.bounds[0][1]
    series = tuple(
        dataclasses.replace(each, values=np.concatenate([each.values[:end], 9e9 + 0 * each.values[end:]]))
        for each, (_, end) in zip(part.series, part.bounds, strict=True)
    )
    batches, others = (WindowBatches(p, held.plan, 4, 3, 0) for p in (part, dataclasses.replace(part, series=series)))
    assert last < len(part.series[0])
    for batch, other in zip(batches[0], others[0], strict=True):
        np.testing.assert_array_equal(batch, other)


@pytest.fixture(scope="module")
def held(data):
    return load(str(data), SMALL)


@settings(max_examples=25)
@given(epoch=st.integers(0, 3), seed=st.integers(0, 3))
def test_windows_hold_what_the_series_hold(held, epoch, seed):
    part, made = held.train, held.plan
    batches = WindowBatches(part, made, 3, seed, 0)
    batches.epoch = epoch
    windows, targets, weights = batches[1]
    assert len(windows) == 1  # the fourth of four
    back, ahead, origins = made.look_back, made.horizon, batches.origins
    assert windows.shape == (1, back + origins - 1 + ahead, 2 + 9)
    assert targets.shape == weights.shape == (1, origins, ahead)
    known, value = windows[0, :, 1] == 1, windows[0, :, 0]
    assert not known[-ahead:].any()
    for j in range(0, origins, 7):
        place, inside = back + j, min(ahead, len(value) - ahead - back - j)
        there = weights[0, j, :inside] > 0
        np.testing.assert_array_equal(there, known[place : place + inside])
        np.testing.assert_array_equal(targets[0, j, :inside][there], value[place : place + inside][there])
    again = WindowBatches(part, made, 3, seed, 0)
    again.epoch = epoch
    np.testing.assert_array_equal(again[1][0], windows)


def test_what_it_begins_with_is_last_season(held):
    made = held.plan
    model = network.build(SMALL, made, 11, "float32")
    series, origins = held.series[0], np.array([250, 333])
    said = forecasts(model, series, made, origins)
    np.testing.assert_allclose(said[..., 1], naive(series, origins, made.horizon, 24), rtol=1e-5)
    far = naive(series, origins, 60, 24)
    np.testing.assert_array_equal(far[0, :24], series.filled[226:250])
    np.testing.assert_array_equal(far[0, 24:48], series.filled[226:250])


def test_quantiles_never_cross(run):
    layer = ForecastQuantiles(2)
    raw = np.random.default_rng(0).normal(0, 30, (2, 3, 4, 5)).astype("float32")
    zeros = np.zeros((2, 3, 4), "float32")
    out = np.asarray(layer([raw, zeros, zeros, np.array([[1.0, 2, 3], [0, 1, 1]], "float32")]))
    assert (np.diff(out, axis=-1) >= 0).all()
    np.testing.assert_allclose(out[0, ..., 2], 1 + 2 * 3 * raw[0, ..., 2], rtol=1e-5)


def test_keras_knows_its_layers_after_import():
    for name in ("Windows", "Changes", "Origins", "Quantiles"):
        found = keras.saving.get_registered_object(f"atrous>Forecast{name}")
        assert found.__module__ == "atrous.models.forecaster"  # not one of the task's, which comes later


def test_a_constant_or_empty_past_gives_finite_forecasts(held):
    model = network.build(SMALL, held.plan, 11, "float32")
    window = np.zeros((1, held.plan.look_back + 6, 11), "float32")
    assert np.isfinite(np.asarray(model(window))).all()
    window[..., :2] = 5.0, 1.0
    np.testing.assert_allclose(np.asarray(model(window))[..., 1], 5.0, atol=1e-5)


def test_figures_by_hand():
    actual, said = np.array([1.0, 2.0, np.nan, -4.0]), np.array([2.0, 2.0, 7.0, 4.0])
    assert metrics.mase(actual, said, 2.0) == pytest.approx((0.5 + 0 + 4) / 3)
    assert metrics.smape(actual, said) == pytest.approx((2 / 3 + 0 + 2) / 3)
    assert metrics.smape(np.zeros(2), np.zeros(2)) == 0
    assert metrics.pinball(actual, said, 0.9) == pytest.approx((0.1 * 1 + 0 + 0.1 * 8) / 3)
    assert metrics.coverage(actual, said - 1.0, said) == pytest.approx(2 / 3)
    assert metrics.mase(np.array([np.nan]), np.array([1.0]), 1.0) is None
    loss = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(PinballLoss((0.1, 0.5))))
    y, forecast = np.array([[[1.0, 3.0]]], "float32"), np.array([[[[0.0, 2.0], [3.0, 4.0]]]], "float32")
    by_hand = (0.1 * 1 + 0.5 * 1) / 2, (0 + 0.5 * 1) / 2
    assert float(loss(y, forecast)) == pytest.approx(np.mean(by_hand))
    assert float(loss(y, forecast, np.array([[[1.0, 0.0]]]))) == pytest.approx(by_hand[0] / 2)


def test_baselines_are_computed_once_and_say_what_they_cannot(run, held, monkeypatch):
    kept = baselines.of_run(run, run.load_data().test, plan_of(run.config))
    assert [each.name for each in kept] == ["seasonal naive (24)", "ETS (24)"]
    assert kept[0].mase == pytest.approx(run.test["naive_mase"])
    assert kept[1].mase < kept[0].mase
    monkeypatch.setattr(baselines, "compute", lambda *_: pytest.fail("computed again"))
    assert baselines.of_run(run, run.load_data().test, plan_of(run.config)) == kept
    monkeypatch.undo()
    late = baselines.compute(held.test, held.plan, seconds=0)[1]
    assert (late.mase, late.origins[0]) == (None, 0)
    assert "ETS was stopped after 0 of" in late.note


def test_smoothing_repeats_what_repeats():
    past = np.tile([1.0, 5.0, 2.0, 8.0], 20)
    np.testing.assert_allclose(baselines.smooth(past, 6, 4), [1, 5, 2, 8, 1, 5], atol=1e-3)
    np.testing.assert_array_equal(baselines.smooth(np.full(9, 3.0), 2, 1), [3, 3])


def test_the_look_back_follows_from_seasons_and_rates(data):
    def made(steps=1000, **options):
        series = Series("x", "x", Grid(3600.0), pd.Timestamp("2024-01-01"), waves.wave(steps), np.zeros((steps, 0)))
        return plan.make(find("forecasting", "").replace(options), [series])

    auto = made()
    assert (auto.season, auto.rates, auto.field, auto.look_back) == (24, (1, 2, 4, 8), 61, 61)
    flat = made(rates=1)
    assert (flat.rates, flat.field, flat.look_back, flat.base) == ((1, 1, 1, 1), 17, 17, 1)
    assert "The season of 24 steps is longer than what the network sees, 17 steps" in plan.notes(flat)[0]
    assert plan.notes(auto) == []
    assert made(horizon=100).field >= 200
    assert made(rates=(1, 3), look_back=90).look_back == 90
    assert "the network sees the last 17: its field" in plan.notes(made(rates=(1, 3), look_back=90))[1]
    assert made(season=1).base == 1
    assert Plan.from_json(json.loads(json.dumps(auto.to_json()))) == auto
    model = network.build(SMALL, auto, 11, "float32")
    assert atrous.field.analyze(model.get_layer("tcn")).output.size == (field_of(auto.rates, 3),)


def test_without_dilation_it_is_the_same_network(held):
    one, other = (
        network.build(SMALL, dataclasses.replace(held.plan, rates=rates), 11, "float32") for rates in ((1,) * 4, (1, 2, 4, 8))
    )
    assert [v.shape for v in one.variables] == [v.shape for v in other.variables]


def test_the_page_shows_forecasts_and_what_they_are_worth(run):
    page = run.report_file.read_text("utf-8")
    for words in (
        "Test MASE",
        "seasonal naive (24)",
        "ETS (24)",
        "what came",
        "season 24",
        "short must have at least",
        "had no row",
    ):
        assert words in page
    assert page.count("fan-") > 6
    assert not re.search(r"@import|url\((?!#)|src=\"(?!data:)", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_resumed_run_goes_on_and_is_compared(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("atrous.report.write", lambda run: run.report_file.write_text("report"))
    copy = Run(shutil.copytree(run.path, tmp_path / "copy"))
    longer = atrous.train(resume=copy, epochs=3, quiet=True)
    assert [row["epoch"] for row in longer.metrics] == [1, 2, 3]
    assert longer.metrics[:2] == run.metrics
    code, _, err = command(["compare", run.path, longer.path, "--output", tmp_path / "page.html"], monkeypatch, capsys)
    assert (code, err) == (0, "")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert all(words in page for words in ("test MASE", "The same origins", "last season", "copy"))


def test_evaluate_on_the_terminal(run, monkeypatch, capsys):
    code, out, _ = command(["evaluate", run.path], monkeypatch, capsys)
    assert code == 0
    assert f"MASE {run.test['mase']:.4f} on" in out


MISTAKES = {
    "too short": (waves.table(60), [], "must have at least"),
    "no such column": (waves.table(60), ["--target", "load"], "`target` must be a column. Received: 'load'"),
    "twice": (pd.concat([waves.table(60), waves.table(60).assign(value=1.0)]), [], "must stand once"),
    "zones": (
        waves.table(60).assign(timestamp=[*waves.table(59)["timestamp"], "2024-02-01T00:00Z"]),
        [],
        "Either all timestamps",
    ),
    "quantiles": (waves.table(600), ["--quantiles", "0.1,0.9"], "`quantiles` must ascend, with 0.5 among them"),
    "horizon": (waves.table(600), ["--horizon", "0"], "`horizon` must be a positive integer"),
    "kernel": (waves.table(600), ["--kernel-size", "1"], "`kernel_size` must be at least 2"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_one_sentence_and_leaves_no_run(name, tmp_path, monkeypatch, capsys):
    frame, words, message = MISTAKES[name]
    file = waves.write(tmp_path / "data.csv", frame)
    code, out, err = command(
        ["train", "forecasting", "--data", file, "--output", tmp_path / "run", "--quiet", *words], monkeypatch, capsys
    )
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not (tmp_path / "run").exists()


def test_other_mistakes_when_predicting(run, tmp_path, monkeypatch, capsys):
    daily = pd.DataFrame({"timestamp": pd.date_range("2024-01-01", periods=60).strftime("%Y-%m-%d"), "value": waves.wave(60)})
    file = waves.write(tmp_path / "daily.csv", daily.assign(holiday=0))
    code, _, err = command(["predict", run.path, file], monkeypatch, capsys)
    assert code == 1
    assert "must have the same step, 1 hour. Received: daily.csv, where it is 1 day" in err
    code, _, err = command(["predict", run.path, tmp_path / "nowhere.csv"], monkeypatch, capsys)
    assert (code, "which isn't there" in err) == (2, True)


@pytest.mark.parametrize(
    "options",
    [{"quantiles": (0.9, 0.5)}, {"quantiles": 0.4}, {"season": 0}, {"dropout": 2.0}, {"look_back": -3}, {"rates": (0,)}],
)
def test_choices_keep_their_rules(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must"):
        find("forecasting", "").replace(options)
