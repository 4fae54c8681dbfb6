"""Writes the page: what every task has, and in the middle the task's own sections."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
import keras
from markupsafe import Markup

from atrous import plots, tasks
from atrous.report import embed
from atrous.report.explore import explore_section, palette
from atrous.report.facts import header
from atrous.report.network import fields_of, layer_rows
from atrous.report.notes import curve_notes
from atrous.report.stack import stack_of
from atrous.run import replacing
from atrous.tasks.recipe import spoken

if TYPE_CHECKING:
    from atrous.run import Run


@dataclass(frozen=True)
class Contents:
    """A task's part of the page.

    Args:
        lead: A sentence on the data.
        facts: Results for the row of figures, the first one first: `name`, `value`, `note`.
        labels: For each column of `metrics.csv` that is drawn, what its axis is called.
        notes: Sentences worth knowing, the most important first.
        sections: What stands between learning curves and layers: each a `<section>`.
        choices: The task's choices in the sentence on the recipe.
        layers: What sizes and fields of the table of layers are.
        network: The part of the model whose layers are told of; by default all of it.
    """

    lead: str
    facts: Sequence[Mapping[str, str]]
    labels: Mapping[str, str]
    notes: Sequence[str] = ()
    sections: Sequence[Markup] = field(default_factory=tuple)
    choices: Sequence[str] = ()
    layers: str = "Sizes are height × width × channels; the receptive field is in pixels of the image."
    network: keras.Model | None = None


def write(run: Run) -> pathlib.Path:
    """Writes `report.html` into the folder of a finished run: one page that opens from disk and loads nothing.

    Args:
        run: A run with a model, metrics and test result.

    Returns:
        The page's path.

    Raises:
        ValueError: The run has no test result yet.
    """
    text = render("atrous.report", "template.html", **_page(run, run.load_model(), run.load_data()))
    with replacing(run.report_file) as file:
        file.write_text(text, encoding="utf-8")
    return run.report_file


def render(package: str, template: str, **values: Any) -> Markup:
    """Fills a template that lies in a package; it may import `macros.html`, which lies here."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _template("atrous.report", name)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return Markup(environment.from_string(_template(package, template)).render(values))


def _template(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text("utf-8")


def style() -> Markup:
    """The stylesheet of the pages on runs."""
    return Markup(resources.files("atrous.report").joinpath("style.css").read_text("utf-8"))


def _page(run: Run, model: keras.Model, data: Any) -> dict[str, Any]:
    """Everything the template names."""
    test = run.test
    if test is None:
        raise ValueError(
            f"`run` must be finished, with a test result. Received: run={run!r}. Finish it: atrous train --resume …"
        )
    contents = tasks.find(run.config.recipe.task).report(run, model, data, test)
    network = contents.network or model
    report, reason = fields_of(network)
    stack = stack_of(network)
    best_row = run.best(run.metrics)
    best = None if best_row is None else int(best_row["epoch"])
    recipe = run.config.recipe
    return {
        **header(run, model, contents.lead, contents.facts, contents.choices),
        "notes": [*curve_notes(run.metrics, best, recipe.metric, recipe.lower_is_better), *contents.notes],
        "curves": _curves(run.metrics, best, contents.labels),
        "metric": spoken(recipe.metric),
        "sections": contents.sections,
        "layers": layer_rows(network, report),
        "explorer": None if stack is None else explore_section(stack),
        "palette": palette(),
        "style": style(),
        "sizes": contents.layers,
        "no_fields": f"It could not be told: {reason}" if reason else "",
    }


def _curves(metrics: list[dict[str, Any]], best: int | None, labels: Mapping[str, str]) -> list[Markup]:
    if best is None:
        return []
    drawn = []
    for metric, label in labels.items():
        training = [row[metric] for row in metrics] if metric in metrics[0] else None
        validation = [row[f"val_{metric}"] for row in metrics]
        axes = plots.learning_curves(training, validation, metric=label, best_epoch=best)
        named = spoken(metric)
        alt = (
            f"{named[:1].upper()}{named[1:]} over {len(metrics)} epochs: "
            + (f"training ends at {training[-1]:.3f}, " if training else "")
            + f"validation at {validation[-1]:.3f}; at the best epoch, {best}, validation is {validation[best - 1]:.3f}."
        )
        drawn.append(embed.svg(axes, name=metric, alt=alt))
    return drawn
