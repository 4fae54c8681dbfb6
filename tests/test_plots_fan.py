import datetime

import matplotlib.dates
import numpy as np
import pytest

from atrous.plots import errors_by_step, fan_chart

QUANTILES = {0.1: [1.0, 0.5, 0.0], 0.25: [1.5, 1.2, 1.0], 0.5: [2.0, 2.0, 2.0], 0.75: [2.5, 2.8, 3.0], 0.9: [3.0, 3.5, 4.0]}


def test_a_fan_has_a_band_a_pair_of_quantiles_and_lines_for_what_was_what_came_and_the_median():
    axes = fan_chart(QUANTILES, past=[5.0, 4.0], actual=[3.0, np.nan, 1.0], others={"last season": [1.0, 1.0, 1.0]}, unit="MW")
    outer, inner = (band.get_paths()[0].vertices for band in axes.collections)
    assert (outer[:, 1].min(), outer[:, 1].max(), inner[:, 1].min(), inner[:, 1].max()) == (0, 4, 1, 3)
    past, came, median, other, origin = axes.lines
    assert (list(past.get_xdata()), list(past.get_ydata())) == ([-2, -1], [5, 4])
    assert list(came.get_ydata())[:2] == [4, 3]  # it goes on from the last value
    assert (list(median.get_xdata()), list(median.get_ydata())) == ([0, 1, 2], [2, 2, 2])
    assert (other.get_label(), origin.get_xdata()[0], axes.get_ylabel()) == ("last season", 0, "MW")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["what came", "median", "last season"]


def test_times_stand_below():
    times = [datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=6 * i) for i in range(8)]
    axes = fan_chart(QUANTILES, past=[1.0] * 5, times=times)
    axes.figure.canvas.draw()
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert "12:00" in labels
    assert axes.get_xlim() == tuple(matplotlib.dates.date2num([times[0], times[-1]]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quantiles": {0.1: [1.0]}}, "`quantiles` must have the median"),
        ({"quantiles": {0.5: [1.0, 2.0]}, "actual": [1.0]}, r"of \[1, 2\] steps"),
        ({"quantiles": {0.5: [1.0]}, "past": [1.0], "times": [datetime.datetime(2024, 1, 1)]}, "`times` must be 2"),
    ],
)
def test_what_does_not_fit_is_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        fan_chart(**arguments)


def test_errors_are_drawn_by_step():
    axes = errors_by_step({"this network": [0.1, 0.4], "ETS": [0.2, 0.5]}, label="mean scaled error")
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines] == [
        ([1, 2], [0.1, 0.4]),
        ([1, 2], [0.2, 0.5]),
    ]
    with pytest.raises(ValueError, match="`errors` must have an error a step ahead"):
        errors_by_step({"a": [1.0], "b": [1.0, 2.0]}, label="error")
