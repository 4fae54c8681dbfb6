"""What a recipe for forecasting chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from atrous.spec import parse_integer
from atrous.tasks.recipe import Recipe, option, parse_number, parse_rates

if TYPE_CHECKING:
    from atrous.data.tables import Columns


@dataclass(frozen=True, kw_only=True)
class Forecasting(Recipe):
    """How a causal dilated network is trained to forecast series.

    Args:
        horizon: Steps ahead; `None`: a day of steps shorter than a day, 7 days, 13 weeks, 12 months, 4 years.
        look_back: Steps that the network is given; `None`: as many as its field has.
        season: Steps of the season that forecasts are compared with, and begin from; `None`: by autocorrelation, of what the
            calendar suggests; 1: none.
        quantiles: What is forecast, ascending; 0.5 among them.
        time: Column of timestamps; by default found.
        target: Column to forecast, or several with commas between, each a series; by default found.
        series: Column that tells the series of a long table apart; by default found.
        known: Columns that are known for the future, too, with commas between.
        rates: Dilation rate of each block; `()`: 1, 2, 4, … until the field covers two of the longest season and two horizons,
            as far as there are data, and 2000 steps. `1` alone stands for as many blocks without dilation.
        blocks: Number of blocks, if `rates` doesn't say it.
        filters: Channels of each block.
        kernel_size: Taps of each convolution, two a block.
        dropout: Share of channels dropped behind each convolution in training.
        residual: Whether the network corrects what was there a season ago, rather than to say all; only where the look-back
            has a season.
        stride: Steps between origins of the test; `None`: a horizon.
        windows: Windows drawn in an epoch; in each there are many origins.

    Raises:
        ValueError: A value breaks its rule.
    """

    task: str = "forecasting"
    metric: str = "mase"
    batch_size: int = option(8, "Windows a step; each has many origins.")
    horizon: int | None = option(None, "Steps ahead. Default: a day of shorter steps, 7 days, 13 weeks, 12 months.", "STEPS")
    look_back: int | None = option(None, "Steps that the network is given. Default: its field.", "STEPS")
    season: int | None = option(None, "Steps of the season; 1: none. Default: by autocorrelation.", "STEPS")
    quantiles: tuple[float, ...] = option((0.1, 0.5, 0.9), "What is forecast; 0.5 among them.", "Q,Q,…")
    time: str | None = option(None, "Column of timestamps. Default: found.", "COLUMN")
    target: str | None = option(None, "Column to forecast, or several, each a series. Default: found.", "COLUMN,…")
    series: str | None = option(None, "Column that tells the series of a long table apart. Default: found.", "COLUMN")
    known: str | None = option(None, "Columns known for the future, too: holidays, planned prices.", "COLUMN,…")
    rates: tuple[int, ...] = option((), "Of each block; 1: no dilation. Default: 1,2,4,… over two of the longest season.")
    blocks: int | None = option(None, "Number of blocks, if rates don't say it.")
    filters: int = option(16, "Channels of each block.")
    kernel_size: int = option(3, "Taps of each convolution, two a block.")
    dropout: float = option(0.3, "Share of channels dropped behind each convolution in training.")
    residual: bool = option(True, "Correct what was there a season ago, rather than say all.")
    stride: int | None = option(None, "Steps between origins of the test. Default: a horizon.", "STEPS")
    windows: int = option(128, "Windows drawn in an epoch.")

    facts: ClassVar[tuple[str, ...]] = ("plan", "names")
    examples: ClassVar[str] = "windows"
    lower_is_better: ClassVar[bool] = True
    errors: ClassVar[tuple[str, ...]] = ("smape", "naive_mase")
    neutral: ClassVar[tuple[str, ...]] = ("coverage", "nominal")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("horizon", "look_back", "season", "blocks", "stride"):
            if getattr(self, name) is not None:
                self._set(name, parse_integer(name, getattr(self, name)))
        for name in ("filters", "kernel_size", "windows"):
            self._set(name, parse_integer(name, getattr(self, name)))
        if self.kernel_size < 2:
            raise ValueError(
                f"`kernel_size` must be at least 2, or nothing but the last step is seen. Received: {self.kernel_size}."
            )
        self._set("rates", parse_rates(self.rates, "one a block") if self.rates != () else ())
        if self.dropout != 0:
            self._set("dropout", parse_number("dropout", self.dropout, 0, 1))
        given = self.quantiles if isinstance(self.quantiles, (tuple, list)) else (self.quantiles,)
        self._set("quantiles", tuple(parse_number("quantiles", each, 0, 1) for each in given))
        if 0.5 not in self.quantiles or list(self.quantiles) != sorted(set(self.quantiles)):
            raise ValueError(f"`quantiles` must ascend, with 0.5 among them. Received: quantiles={self.quantiles}.")
        for name in ("time", "target", "series", "known"):
            value = getattr(self, name)
            if isinstance(value, (tuple, list)):
                self._set(name, ",".join(value))

    @property
    def columns(self) -> Columns:
        """What is said of the columns."""
        from atrous.data.tables import Columns  # with it comes Keras, which the command line does without

        target, known = ((value or "").split(",") for value in (self.target, self.known))
        return Columns(self.time, tuple(filter(None, target)), self.series, tuple(filter(None, known)))

    def summary(self, facts: Mapping[str, Any]) -> str:
        """Number of series, horizon, look-back, rates."""
        plan = facts["plan"]
        many = f"{len(facts['names']):,} series" if len(facts["names"]) > 1 else "one series"
        return (
            f"of {many} · {plan['horizon']} steps ahead from {plan['look_back']:,}, rates {', '.join(map(str, plan['rates']))}"
        )
