"""The commands and their options; what they do is in `atrous.workflow`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from atrous.cli import design, explore, inspect, messages, models
from atrous.cli.words import integers
from atrous.recipes import AUGMENTATIONS, DECAYS, HEADS, RECIPES, TASKS

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
Data = Annotated[
    str | None, typer.Option(metavar="NAME|FOLDER", help="A built-in data set or a folder, one sub-folder a class.")
]


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", envvar="ATROUS_DEBUG", help="Show where an error comes from.")] = False,
) -> None:
    """Trains dilated (atrous) convolutional networks and shows what they see."""
    messages.debug = debug


@app.command()
def train(
    task: Annotated[str | None, typer.Argument(help=f"{', '.join(TASKS)} (the default).")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="fashion-mnist, fashion-mnist-full, cifar10, or a folder with one sub-folder of images a class. "
            "Default: fashion-mnist.",
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Step size of Adam in the first step.")] = None,
    decay: Annotated[str | None, typer.Option(help=f"How the learning rate falls to zero: {', '.join(DECAYS)}.")] = None,
    rates: Annotated[
        str | None, typer.Option(metavar="N,N,…", help="Dilation rates: one dilated layer a rate, such as 2 or 2,4,8.")
    ] = None,
    depth: Annotated[int | None, typer.Option(help="Convolution-and-pooling stages in front of them.")] = None,
    reduction: Annotated[int | None, typer.Option(help="Filters of the 1×1 layer behind them; 0 leaves it out.")] = None,
    head: Annotated[str | None, typer.Option(help=f"What ends the convolutions: {', '.join(HEADS)}.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Share of units dropped in training.")] = None,
    augment: Annotated[
        str | None, typer.Option(metavar="NAME,…", help=f"Random changes of training images: {', '.join(AUGMENTATIONS)}.")
    ] = None,
    no_augment: Annotated[bool, typer.Option("--no-augment", help="No random changes.")] = False,
    mixed_precision: Annotated[
        bool, typer.Option("--mixed-precision", help="Compute in bfloat16 (CPU) or float16 (GPU).")
    ] = False,
    early_stopping: Annotated[
        int | None, typer.Option(metavar="EPOCHS", help="Stop after so many epochs without a better accuracy.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same machine, same figures.")] = None,
    image_size: Annotated[
        str | None, typer.Option(metavar="N|H,W", help="Resize images to this height and width in pixels.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The run folder to make. Default: runs/<data>.")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with this run; with --epochs, for longer than planned.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="One line an epoch, as when not on a terminal.")] = False,
) -> None:
    """Train a network, test it and write a report.

    What is not given is chosen by the recipe for the task and the data: see `atrous recipes`.
    """
    workflow = messages.load_workflow(quiet)
    progress = workflow.shown.choose(quiet or None)
    try:
        workflow.train(
            task,
            data,
            output=output,
            resume=resume,
            progress=progress,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            decay=decay,
            rates=integers("rates", rates),
            depth=depth,
            reduction=reduction,
            head=head,
            dropout=dropout,
            augment=() if no_augment else augment and tuple(augment.split(",")),
            mixed_precision=mixed_precision or None,
            early_stopping=early_stopping,
            seed=seed,
            image_size=integers("image_size", image_size),
        )
    except KeyboardInterrupt:
        messages.interrupted(progress.run)
        raise typer.Exit(130) from None


@app.command()
def evaluate(
    run: RunFolder,
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Test a run's model: loss, accuracy, and each class."""
    result = messages.load_workflow(as_json).evaluate(run, data)
    if as_json:
        print(json.dumps(result))
    else:
        messages.evaluation(result)


@app.command()
def predict(
    run: RunFolder,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE…", help="Image files, or folders of them.", show_default=False)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines, as when not on a terminal.")] = False,
) -> None:
    """Say what is in images."""
    as_json = as_json or not sys.stdout.isatty()
    predictions = messages.load_workflow(as_json).predict(run, images)
    if as_json:
        messages.prediction_lines(predictions)
    else:
        messages.prediction_table(predictions)
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


design.register(app)
explore.register(app)
inspect.register(app)
models.register(app)


def main() -> None:
    """Runs the command; a mistake of the user ends in one sentence and exit code 2."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        app()
    except Exception as error:
        if messages.debug or not messages.is_mistake(error):
            raise
        messages.error(str(error))
        sys.exit(2)
