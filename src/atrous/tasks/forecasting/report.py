"""The page's part on forecasts: drawings, errors by step, baselines, what the look-back covers, what was found in the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import keras
import numpy as np

from atrous import plots
from atrous.report import embed
from atrous.report.page import Contents, render
from atrous.run import Run
from atrous.tasks.forecasting import baselines, metrics
from atrous.tasks.forecasting.baselines import Baseline
from atrous.tasks.forecasting.data import ForecastData
from atrous.tasks.forecasting.evaluation import Rolled, naive, roll
from atrous.tasks.forecasting.plan import Plan
from atrous.tasks.forecasting.recipe import Forecasting

_SHOWN = 6  # forecasts that are drawn
_PAST = 1.5  # horizons before them that are drawn
_LISTED = 40  # series, notes
_OFF = 0.1  # between coverage and what it should be
_GAP = 1.5  # times the validation error, from which on the test's is told


@dataclass(frozen=True)
class Origin:
    """One forecast: of which series, which row of its origins, and its MASE."""

    rolled: Rolled
    row: int
    mase: float


def contents(run: Run, model: keras.Model, data: ForecastData, test: Mapping[str, Any]) -> Contents:
    """What `Task.report` asks for."""
    recipe, plan = cast(Forecasting, run.config.recipe), data.plan
    rolled = roll(model, data.test, plan)
    others = baselines.of_run(run, data.test, plan)
    median = recipe.quantiles.index(0.5)
    section = render(
        __package__ or "",
        "sections.html",
        horizon=plan.horizon,
        step=plan.grid.name,
        season=plan.season,
        forecasts=[_drawn(each, plan, recipe.quantiles) for each in spread(origins_of(rolled, median), _SHOWN)],
        origins=sum(len(each.origins) for each in rolled),
        lowest=f"{recipe.quantiles[0]:g}",
        highest=f"{recipe.quantiles[-1]:g}",
        table=_table(test, others),
        each=_series_rows(test, others),
        limit=_LISTED,
        steps=_steps(rolled, others, median),
        calibration=_calibration(rolled, recipe.quantiles),
        seen=_seen(plan),
        found=data.notes[:_LISTED],
        skipped=[why if name in why else f"{name}: {why}" for name, why in data.skipped[:_LISTED]],
    )
    ets = baselines.best_of(others, "ETS")
    last = baselines.best_of(others, "seasonal naive") or baselines.best_of(others, "naive")
    steps = sum(len(each) for each in data.series)
    many = f"{len(data.series):,} series" if len(data.series) > 1 else "one series"
    return Contents(
        lead=f"{steps:,} values of {many}, a step is {plan.grid.name}; {plan.horizon} steps ahead.",
        facts=[
            {"name": "Test MASE", "value": f"{test['mase']:.3f}", "note": _beside(test["mase"], last)},
            {"name": "Beside ETS", "value": _gain(test["mase"], ets), "note": _beside(test["mase"], ets)},
            {"name": "sMAPE", "value": _percent(test["smape"]), "note": f"{test['examples']:,} origins"},
            {
                "name": "In the interval",
                "value": _percent(test["coverage"], 0),
                "note": f"should be {_percent(test['nominal'], 0)}",
            },
        ],
        labels={"loss": "scaled pinball loss", "mase": "MASE"},
        notes=[
            *_worth_notes(test, others),
            *_gap_note(run, test),
            *_interval_note(test, recipe.quantiles),
            *_field_notes(plan, recipe),
            *_data_notes(data),
        ],
        sections=[section],
        choices=[
            f"{plan.horizon} steps ahead from {plan.look_back:,}",
            f"rates {', '.join(map(str, plan.rates))}"
            if set(plan.rates) != {1}
            else f"{len(plan.rates)} blocks without dilation",
            f"quantiles {', '.join(f'{q:g}' for q in recipe.quantiles)}",
            f"correcting values of {plan.base:,} steps ago" if recipe.residual else "from nothing",
        ],
        layers="The causal network over the past; sizes are steps × channels, and its field is in steps.",
        network=model.get_layer("tcn"),
    )


def origins_of(rolled: Sequence[Rolled], median: int) -> list[Origin]:
    """Every forecast whose truth is known at least in part, from the best to the worst."""
    found = []
    for each in rolled:
        for row in range(len(each.origins)):
            value = metrics.mase(each.actual[row], each.said[row, :, median], each.scale)
            if value is not None:
                found.append(Origin(each, row, value))
    return sorted(found, key=lambda origin: origin.mase)


def spread(ranked: Sequence[Origin], count: int) -> list[Origin]:
    """From the best to the worst, in equal steps."""
    if not ranked:
        return []
    places = np.unique(np.linspace(0, len(ranked) - 1, min(len(ranked), count)).round().astype(int))
    return [ranked[place] for place in places]


def _drawn(origin: Origin, plan: Plan, quantiles: Sequence[float]) -> dict[str, Any]:
    rolled, row = origin.rolled, origin.row
    series, first = rolled.series, int(rolled.origins[row])
    past = min(first, max(8, round(_PAST * plan.horizon)))
    last = naive(series, rolled.origins[row : row + 1], plan.horizon, plan.season)[0]
    times = series.times(first - past, first + plan.horizon)
    axes = plots.fan_chart(
        {q: rolled.said[row, :, i].tolist() for i, q in enumerate(quantiles)},
        past=series.values[first - past : first].tolist(),
        actual=rolled.actual[row].tolist(),
        others={"last season" if plan.season > 1 else "last value": last.tolist()},
        times=times.to_pydatetime(),
    )
    missed = metrics.mase(rolled.actual[row], last, rolled.scale)
    begins = str(times[past]).removesuffix(" 00:00:00")
    return {
        "name": f"{series.name}, from {begins}",
        "figures": f"MASE {origin.mase:.2f}; last season's values {'–' if missed is None else f'{missed:.2f}'}",
        "svg": embed.svg(
            axes,
            name=f"fan-{series.name}-{first}".replace(" ", "-"),
            alt=f"Forecast of {series.name} from {begins} beside what came: MASE {origin.mase:.2f}.",
        ),
    }


def _table(test: Mapping[str, Any], others: Sequence[Baseline]) -> list[dict[str, Any]]:
    rows = [
        {
            "name": "this network",
            "mase": f"{test['mase']:.3f}",
            "smape": _percent(test["smape"]),
            "pinball": _plain(test["pinball"]["0.5"]),
            "origins": f"{test['examples']:,}",
            "gain": "",
            "first": True,
        }
    ]
    for each in others:
        done, of = each.origins
        rows.append(
            {
                "name": each.name,
                "mase": "–" if each.mase is None else f"{each.mase:.3f}",
                "smape": _percent(each.smape),
                "pinball": _plain(each.pinball),
                "origins": f"{done:,}" if done == of else f"{done:,} of {of:,}",
                "gain": _gain(test["mase"], each),
                "first": False,
            }
        )
    return rows


def _series_rows(test: Mapping[str, Any], others: Sequence[Baseline]) -> dict[str, Any] | None:
    """A row a series, the worst beside last season first; none for a single one."""
    if len(test["series"]) < 2:
        return None

    def ratio(row: Mapping[str, Any]) -> float:
        return (row["mase"] or 0) / (row["naive_mase"] or 1)

    ranked = sorted(test["series"].items(), key=lambda each: -ratio(each[1]))
    names = [each.name for each in others]
    rows = []
    for name, row in ranked[:_LISTED]:
        values = [row["mase"], *(each.series.get(name) for each in others)]
        best = min((value for value in values if value is not None), default=None)
        cells = [{"text": "–" if v is None else f"{v:.3f}", "best": v is not None and v == best} for v in values]
        rows.append({"name": name, "cells": cells, "coverage": _percent(row["coverage"], 0)})
    return {"names": names, "rows": rows, "more": max(0, len(ranked) - _LISTED)}


def _steps(rolled: Sequence[Rolled], others: Sequence[Baseline], median: int) -> Any:
    own = baselines.by_step([np.abs(each.actual - each.said[..., median]) / each.scale for each in rolled])
    chosen = [baselines.best_of(others, kind) for kind in ("seasonal naive", "naive", "ETS")]
    errors = {"this network": own, **{each.name: each.steps for each in chosen if each is not None}}
    drawn = {name: [np.nan if v is None else v for v in steps] for name, steps in errors.items()}
    return embed.svg(
        plots.errors_by_step(drawn, label="mean scaled error"),
        name="steps",
        alt="Mean scaled error by step ahead: "
        + ", ".join(f"{name} {values[0]:.2f} at first, {values[-1]:.2f} at last" for name, values in drawn.items()),
    )


def _calibration(rolled: Sequence[Rolled], quantiles: Sequence[float]) -> list[dict[str, str]]:
    """Of each quantile, the share of what came that lies below it."""
    rows = []
    for i, quantile in enumerate(quantiles):
        below = np.concatenate([np.where(np.isnan(r.actual), np.nan, r.actual <= r.said[..., i]).ravel() for r in rolled])
        share = None if np.isnan(below).all() else float(np.nanmean(below))
        rows.append({"name": f"{quantile:g}", "below": _percent(share, 1), "percent": f"{100 * (share or 0):.1f}"})
    return rows


def _seen(plan: Plan) -> list[dict[str, Any]]:
    """Field, look-back, horizon and seasons, as bars of one scale."""
    seen = min(plan.field, plan.look_back)
    lengths = [
        ("the network sees", seen),
        *((f"look-back ({plan.look_back:,} given)", plan.look_back) for _ in range(plan.look_back != seen)),
        *((f"season {season:,}", season) for season in plan.seasons),
        ("horizon", plan.horizon),
    ]
    longest = max(length for _, length in lengths)
    return [{"name": name, "values": (f"{n:,}", _span(plan, n)), "percent": f"{100 * n / longest:.1f}"} for name, n in lengths]


def _span(plan: Plan, steps: int) -> str:
    """As a time: 1,021 steps of half an hour are 21.3 days."""
    if plan.grid.months:
        months = steps * plan.grid.months
        return f"{months / 12:.3g} years" if months > 12 else f"{months} months"
    seconds = steps * plan.grid.seconds
    for unit, length in (("years", 31556952.0), ("weeks", 604800.0), ("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} seconds"


def _worth_notes(test: Mapping[str, Any], others: Sequence[Baseline]) -> list[str]:
    """Whether the network is worth having."""
    known = [each for each in others if each.mase is not None]
    better = [each for each in known if (each.mase or 0) <= test["mase"]]
    told = [each.note for each in others if each.note]
    if better:
        best = min(better, key=lambda each: each.mase or 0)
        told.insert(
            0,
            f"{best.name} forecasts better, MASE {best.mase:.3f} against {test['mase']:.3f}: the network isn't worth its "
            "trouble yet. More history, more epochs, fewer --filters or more --dropout may help; so may covariates (--known).",
        )
    return told


def _gap_note(run: Run, test: Mapping[str, Any]) -> list[str]:
    best = run.best(run.metrics)
    if best is None or test["mase"] < _GAP * best["val_mase"]:
        return []
    return [
        f"Test MASE, {test['mase']:.2f}, is far above validation's, {best['val_mase']:.2f}: the series changed. Train again as "
        "new values come."
    ]


def _interval_note(test: Mapping[str, Any], quantiles: Sequence[float]) -> list[str]:
    if test["coverage"] is None or len(quantiles) < 2 or abs(test["coverage"] - test["nominal"]) < _OFF:
        return []
    words = "too narrow" if test["coverage"] < test["nominal"] else "too wide"
    help_ = " More --dropout or fewer epochs make a network less sure of itself." if words == "too narrow" else ""
    return [
        f"Between quantiles {quantiles[0]:g} and {quantiles[-1]:g} lie {_percent(test['coverage'], 0)} of the values, not "
        f"{_percent(test['nominal'], 0)}: intervals are {words}.{help_}"
    ]


def _field_notes(plan: Plan, recipe: Forecasting) -> list[str]:
    longest, seen = max(plan.seasons, default=1), min(plan.field, plan.look_back)
    if longest > seen:
        return [
            f"The network sees {seen:,} steps, the season has {longest:,}: what happened a season ago is beyond it. More "
            "--blocks or larger --rates reach it."
        ]
    if (recipe.rates or recipe.blocks) and longest > 1 and seen > 4 * max(longest, plan.horizon):
        return [
            f"The network sees {seen / longest:.1f} of the longest season ({longest:,} steps): fewer --blocks may do, and "
            "train faster."
        ]
    return []


def _data_notes(data: ForecastData) -> list[str]:
    told = []
    if data.skipped:
        names = ", ".join(name for name, _ in data.skipped[:3])
        told.append(f"{len(data.skipped):,} left out: {names}{', …' * (len(data.skipped) > 3)}. The reasons are below.")
    if len(data.test.origins(0)) * len(data.series) < 5:
        told.append("The test has fewer than five origins: its figures may be chance. A longer series gives more.")
    return told


def _beside(mase: float, other: Baseline | None) -> str:
    return "" if other is None or other.mase is None else f"{other.name}: {other.mase:.3f}"


def _gain(mase: float, other: Baseline | None) -> str:
    """By how much an error is smaller than another."""
    if other is None or not other.mase:
        return "–"
    gain = 100 * (1 - mase / other.mase)
    return f"{abs(gain):.0f} % {'better' if gain >= 0 else 'worse'}"


def _percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
