"""Series in CSV: one or many, of any step.

    atrous train forecasting --data CSV
    atrous train forecasting --data CSV --rates 1    # the same network without dilation

Nothing is known of the series, and there may be few values: a small network, much dropout, a falling learning rate, and an end
when four epochs in a row were no better on validation.

Test MASE over rolling origins, three seeds each but where one figure stands, on one busy core of an x86-64 machine
(TensorFlow 2.21); errors are scaled by those of the season in brackets. Time is the processor's, of the whole command,
baselines and report included. N is the look-back of the dilated network, 1021 and 61 steps; without it, `--rates 1` is
given what it sees, 33 and 17. With `--no-residual` a forecast begins from the last value; so it does where a season is
longer than the look-back.

| | half-hourly load, a day ahead (336) | hourly temperature, a day ahead (24) |
|---|---|---|
| the recipe | 0.658 (0.657, 0.671, 0.646), 0.6 min | 0.583 (0.576, 0.590, 0.585), 0.4 min |
| `--rates 1` | 5.83 (5.68, 6.37, 5.44) | 5.69 (5.44, 6.12, 5.50) |
| `--rates 1 --look-back N` | 0.669 | 0.576 |
| `--no-residual` | 3.51 (2.77, 4.76, 2.99) | |
| `--no-residual --rates 1 --look-back N` | 3.55 (3.67, 4.66, 2.32) | |
| seasonal naive | 1.108 (a day: 3.614) | 1.321 |
| ETS | 0.899 (a day: 3.002) | 0.914 |

The load is Taylor's of England and Wales (2003, JORS 54), 12 weeks, tested on the last 17 days; the temperature Seattle's of
2010 (NOAA), tested on the last 73 days. So the recipe's errors are 41 % and 56 % below those of last season's values, and 27 %
and 36 % below those of exponential smoothing.

What makes the difference is last season's values, not dilation: with the same look-back the network is as good without, whether
it begins from them or not. `--rates 1` alone is worse because its field is shorter than a season, so that it is given neither
these values nor as many origins a window. Eight epochs are too few to find a season from nothing, with or without dilation.

On other series exponential smoothing is better (seed 0): monthly sunspots, a year ahead (1), 1.93 against 1.82; weekly CO₂ on
Mauna Loa, 13 weeks ahead (52), 0.423 against 0.358. The page of such a run says so. The networks are those of
benchmarks/forecasting_with_and_without_dilation.py.
"""

from atrous.tasks.forecasting.recipe import Forecasting

SERIES_CSV = Forecasting(
    name="series-csv",
    epochs=8,
    batch_size=8,
    learning_rate=3e-3,
    decay="cosine",
    early_stopping=4,
)
