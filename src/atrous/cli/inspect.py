"""The command `atrous inspect`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from atrous.cli import messages
from atrous.cli.words import integers, size_in_bytes


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(inspect)


def inspect(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A .keras file, a run folder, or a name of keras.applications: ResNet50.", show_default=False
        ),
    ],
    input_shape: Annotated[
        str | None, typer.Option(metavar="N,N,…", help="Shape of the input without its batch, such as 224,224,3.")
    ] = None,
    object_size: Annotated[
        str | None, typer.Option(metavar="N|H,W", help="Size of what must be seen, in input positions.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Examples a step, for the memory that is needed.")] = 1,
    ram: Annotated[str | None, typer.Option(metavar="BYTES", help="Memory to fit into, such as 8G: how large a batch?")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the fields by the gradients of a linear copy of the model.")
    ] = False,
    plots: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Draw field, coverage and memory as PNG files into this folder.")
    ] = None,
    every_layer: Annotated[bool, typer.Option("--all", help="Every layer, those that change no field, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Say what a model sees, layer by layer, and what it costs."""
    shape, memory = integers("input_shape", input_shape), None if ram is None else size_in_bytes("ram", ram)
    loaded = messages.load_workflow(as_json).load_model(model)
    from atrous import field

    shape = None if shape is None else (shape,) if isinstance(shape, int) else shape
    report = field.analyze(loaded, shape, object_size=integers("object_size", object_size))
    if not as_json:
        messages.show(report.table(every_layer=every_layer))
    cost = _cost(loaded, report, shape, batch_size, memory)
    if cost is not None and not as_json:
        messages.show(cost)
    checked = field.verify(loaded, input_shape=shape) if verify else None
    if checked is not None and not as_json:
        messages.show(checked)
    if plots is not None:
        from atrous.cli.pictures import draw

        for file in draw(loaded, report, cost, plots, shape):
            messages.note(f"Drawn: {file}", quiet=as_json)
    if as_json:
        facts: dict[str, Any] = json.loads(report.to_json())
        facts["budget"] = None if cost is None else json.loads(cost.to_json())
        if checked is not None:
            facts["verified"] = checked.agrees
        print(json.dumps(facts))
    if checked is not None and not checked.agrees:
        raise typer.Exit(1)


def _cost(model: Any, report: Any, shape: Any, batch_size: int, ram: int | None) -> Any:
    """The budget; none where the input's size is open, because every figure depends on it."""
    from atrous import field

    if None in report.input_size:
        return None
    return field.budget(model, shape, batch_size=batch_size, ram=ram)
