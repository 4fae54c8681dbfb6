"""The commands and their options; what they do is in `atrous.workflow`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from atrous.cli import bench_paper, compare, design, explore, generate, inspect, messages, models, stream, tile, train
from atrous.cli.words import given, integers, numbers
from atrous.recipes import RECIPES
from atrous.run import Run

app = typer.Typer(
    name="atrous",
    help="Trains dilated (atrous) convolutional networks and shows what they see.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help takes half the time
    context_settings={"help_option_names": ["-h", "--help"]},
)

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, such as runs/fashion-mnist.", show_default=False)]
Data = Annotated[str | None, typer.Option(metavar="NAME|FOLDER", help="Other data of the task. Default: the run's own.")]


Scales = Annotated[
    str | None,
    typer.Option(metavar="X,X,…", help="Of segmentation: sizes at which images are looked at, such as 0.75,1,1.25."),
]
Confidence = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Of detection: least score of a box that is told or counted; of sequence labelling: of a site. Default: the run's",
        show_default=False,
    ),
]
Flip = Annotated[bool, typer.Option("--flip", help="Of segmentation: look at mirrored images, too.")]


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", envvar="ATROUS_DEBUG", help="Show where an error comes from.")] = False,
) -> None:
    """Trains dilated (atrous) convolutional networks and shows what they see."""
    messages.debug = debug


train.register(app)


@app.command()
def evaluate(
    run: RunFolder,
    data: Data = None,
    scales: Scales = None,
    flip: Flip = False,
    confidence: Confidence = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Test a run's model: loss, the task's metric, and each class."""
    workflow = messages.load_workflow(as_json)
    result = workflow.evaluate(run, data, **given(scales=numbers("scales", scales), flip=flip, confidence=confidence))
    if as_json:
        print(json.dumps(result))
    else:
        messages.evaluation(result, Run(run).config.recipe)


@app.command()
def predict(
    run: RunFolder,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE…", help="Files, or folders of them. Of forecasting by default the run's own data."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER|FILE",
            help="Where masks or boxes.json and overlays are written, predictions.csv, a forecast, or sites in BED or TSV.",
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option(metavar="K", help="Of classifiers: the K most probable classes, not the first alone.")
    ] = None,
    scales: Scales = None,
    flip: Flip = False,
    confidence: Confidence = None,
    longest: Annotated[
        int | None,
        typer.Option(metavar="N", help="Of segmentation: shrink images to N pixels on the longer side; masks keep their size."),
    ] = None,
    tile: Annotated[
        int | None, typer.Option(help="Of segmentation and detection: side of tiles in pixels, for large images.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="BYTES", help="Of segmentation and detection: what tiles may take, such as 2GB.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines, as when not on a terminal.")] = False,
) -> None:
    """Say what is in images, or what comes next in series."""
    as_json = as_json or not sys.stdout.isatty()
    options = given(scales=numbers("scales", scales), flip=flip, confidence=confidence, longest=longest)
    options |= given(tile=tile, memory=memory, top=top)
    predictions = messages.load_workflow(as_json).predict(run, files or [], output=output, **options)
    if as_json:
        messages.prediction_lines(predictions)
    else:
        messages.prediction_table(predictions)
    for note in dict.fromkeys(note for each in predictions if (note := getattr(each, "note", None))):
        messages.error(note)
    errors = [prediction.error for prediction in predictions if prediction.error]
    for error in errors:
        messages.error(error)
    raise typer.Exit(1 if errors else 0)


@app.command()
def explain(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A .keras file, or a run folder.", show_default=False)],
    input_shape: Annotated[
        str | None, typer.Option(metavar="N,N,…", help="Shape of the input with its batch, such as 1,224,224,3.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Say which path every convolution of a model takes, and why."""
    loaded = messages.load_workflow(as_json).load_model(model)
    from atrous.surgery import explain

    messages.explanation(explain(loaded, integers("input_shape", input_shape)), as_json)


@app.command()
def recipes() -> None:
    """List the recipes: what is trained on what, and how."""
    messages.recipes(RECIPES)


bench_paper.register(app)
compare.register(app)
design.register(app)
explore.register(app)
generate.register(app)
inspect.register(app)
models.register(app)
stream.register(app)
tile.register(app)


def main() -> None:
    """Runs the command; a mistake of the user ends in one sentence and exit code 2."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        app()
    except Exception as error:
        if messages.debug or not messages.is_mistake(error):
            raise
        messages.error(messages.sentence(error))
        sys.exit(2)
