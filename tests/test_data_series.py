"""Series in CSV: what is found, what is mended and said, what is refused in one sentence."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import waves
from atrous.data.seasons import calendar, calendar_channels, calendar_names, candidates, find_seasons, naive_error
from atrous.data.series import read_series, split
from atrous.data.tables import Columns
from atrous.data.timestamps import Grid, infer, parse_times, regular

NOTHING = Columns()


def read(text, tmp_path, columns=NOTHING, **options):
    file = tmp_path / "data.csv"
    file.write_text(text if isinstance(text, str) else text.to_csv(index=False), encoding="utf-8")
    before = file.read_bytes()
    found = read_series(file, columns, **options)
    assert file.read_bytes() == before
    return found


def test_a_table_of_one_series(tmp_path):
    (series,), notes, skipped = read(waves.table(50), tmp_path)
    assert (series.name, len(series), series.grid.name, notes, skipped) == ("data", 50, "1 hour", [], [])
    np.testing.assert_array_equal(series.values, waves.wave(50))
    assert list(series.times(48, 52)) == list(pd.date_range("2024-01-03", periods=4, freq="h"))


def test_wide_tables_have_a_series_a_column_and_long_ones_a_column_of_names(tmp_path):
    wide = waves.table(30, other=np.arange(30.0), holiday=0)
    series, _, _ = read(wide, tmp_path, Columns(known=("holiday",)))
    assert [each.name for each in series] == ["value", "other"]
    assert series[1].known.shape == (30, 1)
    (only,), notes, _ = read(wide, tmp_path, Columns(target=("other",)))
    assert (only.name, "not used: value, holiday" in notes[0]) == ("data", True)
    long = pd.concat([waves.table(20, shop="b"), waves.table(25, shop="a")])
    series, _, _ = read(long, tmp_path)
    assert [(each.name, len(each)) for each in series] == [("a", 25), ("b", 20)]
    long["price"] = 1.0
    series, _, _ = read(long, tmp_path, Columns(series="shop", target=("value",), known=("price",)))
    assert series[0].known.shape == (25, 1)


def test_separators_names_and_dates_as_people_have_them(tmp_path):
    (series,), _, _ = read("Date;y\n31.01.2024;1\n01.02.2024;2\n02.02.2024;4\n", tmp_path)
    assert (series.grid.name, str(series.start.date()), list(series.values)) == ("1 day", "2024-01-31", [1, 2, 4])
    (series,), _, _ = read("year,sunspots\n1900,3\n1901,4\n1902,5\n", tmp_path)
    assert series.grid.name == "1 year"


def test_a_folder_is_many_series_and_what_cannot_be_read_is_left_out_or_an_error(tmp_path):
    waves.write(tmp_path / "d" / "a.csv", waves.table(30))
    waves.write(tmp_path / "d" / "b.csv", waves.table(30))
    (tmp_path / "d" / "c.csv").write_text("timestamp,value\n2024-01-01,1\n2024-01-02,oops\n2024-01-03,1\n2024-01-04,1\n")
    series, _, skipped = read_series(tmp_path / "d", Columns())
    assert [each.name for each in series] == ["a", "b"]
    assert skipped[0][0] == "c.csv"
    assert "row 3: 'oops'" in skipped[0][1]
    with pytest.raises(ValueError, match="Values must be numbers"):
        read_series(tmp_path / "d", Columns(), strict=True)
    with pytest.raises(FileNotFoundError, match="a folder without any"):
        read_series(tmp_path, Columns())


def test_rows_are_sorted_merged_and_gaps_are_missing_values_and_all_is_said(tmp_path):
    frame = waves.table(60)
    mixed = pd.concat([frame.iloc[30:], frame.iloc[:10], frame.iloc[14:30], frame.iloc[5:7]])
    mixed.iloc[3, 1] = np.nan
    (series,), notes, _ = read(mixed, tmp_path)
    expected = waves.wave(60)
    expected[[10, 11, 12, 13, 33]] = np.nan
    np.testing.assert_array_equal(series.values, expected)
    assert [note.split(": ", 1)[1] for note in notes] == [
        "rows were not in order of time; they are sorted.",
        "2 rows stood there twice, with the same values; one of each is kept.",
        "4 steps of 1 hour had no row, in 1 gap, the first at 2024-01-01 10:00:00; they are missing values.",
        "5 of 60 values are missing; they count in no loss and no figure.",
    ]
    assert series.filled[10:15].tolist() == [expected[9]] * 4 + [expected[14]]


def test_clocks_put_forward_are_told(tmp_path):
    frame = waves.table(24 * 40)
    frame["timestamp"] = waves.hours(24 * 40, "2024-03-01").strftime("%Y-%m-%d %H:%M")
    _, notes, _ = read(frame[frame["timestamp"] != "2024-03-31 02:00"], tmp_path)
    assert any("looks like clocks put forward" in note for note in notes)


@pytest.mark.parametrize(
    ("texts", "first", "said"),
    [
        (["2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00"], "2024-03-31 00:00:00", "taken as UTC"),
        (["2024-01-01T01:00-05:30", "2024-01-01T02:00-05:30"], "2024-01-01 01:00:00", None),
        (["2024-01-01T01:00Z", "2024-01-01T02:00Z"], "2024-01-01 01:00:00", None),
    ],
)
def test_time_zones(texts, first, said):
    times, notes = parse_times(pd.Series(texts), "x")
    assert (str(times[0]), times.tz) == (first, None)
    assert [said in note for note in notes] == [True] * len(notes)
    assert bool(notes) == (said is not None)


DAYS = [f"2024-01-{day:02d}" for day in range(1, 11)]
MISTAKES = {
    "twice": ("timestamp,value\n2024-01-01,1\n2024-01-02,2\n2024-01-02,3\n", "must stand once.*2024-01-02.*--series COLUMN"),
    "autumn": (
        "t,value\n2024-10-27 01:00,1\n2024-10-27 02:00,2\n2024-10-27 02:00,3\n2024-10-27 03:00,3\n",
        "must stand once.*clocks go back",
    ),
    "mixed zones": (
        "timestamp,value\n2024-01-01T00:00,1\n2024-01-01T01:00Z,2\n",
        "Either all timestamps must have a time zone",
    ),
    "no date": ("timestamp,value\n2024-01-01,1\nyesterday,2\n", "row 3: 'yesterday'"),
    "no time": ("timestamp,value\n2024-01-01,1\n,2\n", "must have a timestamp.*none in row 3"),
    "seconds since 1970": ("timestamp,value\n1700000000,1\n1700003600,2\n", "Timestamps must be dates"),
    "day or month": ("date,value\n01/02/2024,1\n02/02/2024,2\n", "what is day and what is month"),
    "words": ("timestamp,value\n" + "".join(f"{d},{i if i != 4 else 'n.a.!'}\n" for i, d in enumerate(DAYS)), "row 6: 'n.a.!'"),
    "nothing": ("timestamp,value\n" + "".join(f"{day},\n" for day in DAYS), "must have values"),
    "no rows": ("timestamp,value\n", "must have rows"),
    "empty": ("", "must be CSV"),
    "no numbers": (
        "timestamp,word\n2024-01-01,a\n2024-01-02,b\n2024-01-03,a\n2024-01-04,a\n2024-01-05,a\n",
        "column of numbers",
    ),
    "no timestamps": ("a,b\n1,2\n3,4\n", "must have a column of timestamps.*--time COLUMN"),
    "too near": (
        "timestamp,value\n2024-01-01,1\n2024-01-02,1\n2024-01-03,1\n2024-01-03T01:00,2\n2024-01-04,2\n",
        "equally far apart",
    ),
    "alone": ("timestamp,value\n2024-01-01,1\n", "at least two timestamps"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_one_sentence(name, tmp_path):
    text, message = MISTAKES[name]
    with pytest.raises(ValueError, match=message):
        read(text, tmp_path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns(time="when"), "`time` must be a column. Received: 'when', but data.csv has the columns timestamp, value"),
        (Columns(target=("y",)), "`target` must be a column"),
        (Columns(known=("holiday",)), "`known` must be a column"),
    ],
)
def test_named_columns_must_be_there(columns, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read(waves.table(10), tmp_path, columns)


def test_constant_series_are_told_and_other_steps_left_out(tmp_path):
    frame = waves.table(20)
    frame["value"] = 3.0
    _, notes, _ = read(frame, tmp_path)
    assert "constant, 3; there is nothing to learn" in notes[0]
    with pytest.raises(ValueError, match=r"must have the same step, 1 day\. Received: data.csv, where it is 1 hour"):
        read(frame, tmp_path, grid=Grid(86400.0))


def test_covariates_may_go_on_where_values_end(tmp_path):
    frame = waves.table(30, holiday=np.arange(30.0))
    frame.loc[25:, "value"] = np.nan
    (series,), notes, _ = read(frame, tmp_path, Columns(known=("holiday",)))
    assert (len(series), len(series.known), notes) == (25, 30, [])
    assert series.known[27, 0] == 27


@given(st.data())
def test_whatever_rows_there_are_each_stands_at_its_time(data):
    grid = data.draw(st.sampled_from([Grid(60.0), Grid(1800.0), Grid(86400.0), Grid(30436875.0 / 12, 1), Grid(7889238.0, 3)]))
    start = pd.Timestamp("2023-11-30" if not grid.months else "2023-11-01")
    places = [*sorted(data.draw(st.sets(st.integers(0, 40), min_size=2))), 50, 51, 52]
    shuffled = data.draw(st.permutations(places))
    times = grid.times(start, np.array(shuffled))
    found = regular(times, np.array(shuffled, float), "x", grid)
    there = np.flatnonzero(found.rows >= 0)
    np.testing.assert_array_equal(there, np.array(places) - places[0])
    np.testing.assert_array_equal(np.array(shuffled)[found.rows[there]], places)
    assert list(found.times()[there]) == list(grid.times(start, np.array(places)))


@pytest.mark.parametrize(
    ("freq", "name"),
    [("MS", "1 month"), ("ME", "1 month"), ("QS", "3 months"), ("YS", "1 year"), ("W", "1 week"), ("15min", "15 minutes")],
)
def test_steps_are_inferred_as_pandas_makes_them(freq, name):
    times = pd.date_range("2020-01-01", periods=30, freq=freq)
    grid = infer(times)
    assert grid.name == name
    assert list(grid.times(times[0], np.arange(30))) == list(times)


def test_seasons():
    hourly = np.concatenate([waves.wave(24 * 5) * 2, waves.wave(24 * 2)] * 6)  # weekends differ
    assert find_seasons([hourly], candidates(Grid(3600.0))) == (24, 168)
    assert find_seasons([waves.wave(24 * 40)], candidates(Grid(3600.0))) == (24,)
    assert find_seasons([np.random.default_rng(0).normal(size=999)], (24, 168)) == ()
    assert find_seasons([np.full(999, 2.0)], (24,)) == ()
    gappy = waves.wave(24 * 40)
    gappy[100:150] = np.nan
    assert find_seasons([gappy], (24, 168)) == (24,)


def test_the_scale_of_errors_by_hand():
    assert naive_error(np.array([1.0, 2.0, 4.0, np.nan, 8.0]), 1) == pytest.approx((1 + 2) / 2)
    assert naive_error(np.array([1.0, 2.0, 4.0, np.nan, 8.0]), 2) == pytest.approx((3 + 4) / 2)
    assert naive_error(np.full(9, 4.0), 1) == naive_error(np.array([1.0]), 3) == 1.0


def test_calendar_channels():
    grid = Grid(3600.0)
    assert calendar_names(grid, [24 * 30]) == ("hour", "weekday")
    assert calendar_names(grid, [24 * 600]) == ("hour", "weekday", "year")
    assert calendar_names(grid, [30]) == ()
    names = ("hour", "weekday", "year")
    channels = calendar(pd.DatetimeIndex(["2024-01-06T06:00"]), names)
    assert channels.shape == (1, calendar_channels(names))
    np.testing.assert_allclose(channels[0, :4], [1, 0, 0, -1], atol=1e-6)
    assert channels[0, 8] == 1  # a Saturday


def test_parts_follow_each_other_in_time(tmp_path):
    series, _, _ = read(waves.table(600), tmp_path)
    data = split("x", series, (), horizon=24, stride=24, least=100, windows=16)
    assert [part.bounds[0] for part in (data.train, data.validation, data.test)] == [(0, 432), (432, 480), (480, 600)]
    assert data.test.origins(0).tolist() == [480, 504, 528, 552, 576]
    assert (len(data.train), len(data.validation), len(data.test)) == (16, 2, 5)
    with pytest.raises(ValueError, match=r"at least 548 steps: 500 to train on.*432 are left for training. Lower --horizon"):
        split("x", series, (), horizon=24, stride=24, least=500, windows=16)
