"""The command `atrous design`: options in; a table, JSON, code or a picture out."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atrous.cli.words import integers, size_in_bytes

if TYPE_CHECKING:
    from atrous.field.front import Design

_UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(design)


def design(
    receptive_field: Annotated[
        str, typer.Option(metavar="N|N,N", help="Positions an output must see, all of them; or one number an axis.")
    ],
    rank: Annotated[int, typer.Option(help="Spatial axes.")] = 1,
    kernel_size: Annotated[
        str | None, typer.Option(metavar="N|N,N,…", help="Of every layer, or sizes to choose from. Default: 3, 5, 7, … 31.")
    ] = None,
    channels: Annotated[int, typer.Option(help="Filters of every layer.")] = 64,
    input_channels: Annotated[int | None, typer.Option(help="Channels of the input. Default: as many.")] = None,
    input_size: Annotated[
        str | None,
        typer.Option(metavar="N|N,N", help="Input that costs are for. Default: the field; of images, no more than 512."),
    ] = None,
    output_stride: Annotated[int, typer.Option(help="What the strides may multiply to.")] = 1,
    repeats: Annotated[int, typer.Option(help="Times that the stack stands behind itself, as WaveNet's.")] = 1,
    causal: Annotated[bool, typer.Option("--causal", help="Nothing behind an output's own position is seen.")] = False,
    max_layers: Annotated[int | None, typer.Option(help="Most layers.")] = None,
    max_params: Annotated[str | None, typer.Option(metavar="N", help="Most parameters, such as 200k or 1.5M.")] = None,
    max_macs: Annotated[str | None, typer.Option(metavar="N", help="Most multiply-adds, such as 2G.")] = None,
    max_memory: Annotated[str | None, typer.Option(metavar="BYTES", help="Most memory of activations, such as 64M.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    code: Annotated[
        int | None, typer.Option(metavar="#", help="Print Keras code for the stack in this row of the table instead.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the front, too: .png, .svg or .pdf.")] = None,
) -> None:
    """Find the stacks that see a field without holes at least cost."""
    from atrous.field.designing import design

    found = design(
        integers("receptive_field", receptive_field) or (),
        rank,
        integers("kernel_size", kernel_size),
        channels=channels,
        input_channels=input_channels,
        input_size=integers("input_size", input_size),
        output_stride=output_stride,
        repeats=repeats,
        causal=causal,
        max_layers=max_layers,
        max_params=_count("max_params", max_params),
        max_macs=_count("max_macs", max_macs),
        max_memory=None if max_memory is None else size_in_bytes("max_memory", max_memory),
    )
    if code is not None and not 1 <= code <= len(found.front):
        raise ValueError(f"`--code` must be a row of the table, 1 to {len(found.front)}. Received: --code {code}")
    if plot is not None:
        _draw(found, plot)
    if code is not None:
        print(found.front[code - 1].code(), end="")
    elif as_json:
        print(json.dumps(dataclasses.asdict(found)))
    else:
        _show(found)


def _show(found: Design) -> None:
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(found)
    else:
        print(found)  # a file has no width to fit


def _draw(found: Design, path: Path) -> None:
    from atrous.plots.pareto import pareto_front
    from atrous.plots.style import PAPER, new_figure

    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ValueError(f"`--plot` must name a .png, .svg or .pdf file. Received: --plot {path}")
    costs = [stack.cost for stack in found.front]
    series: dict[str, list[float]] = {
        "parameters": [cost.parameters for cost in costs],
        "multiply-adds": [cost.macs for cost in costs],
        "memory (bytes)": [cost.memory for cost in costs],
        "latency (s)": [cost.seconds for cost in costs if cost.seconds is not None],
    }
    telling = {name: values for name, values in series.items() if len(set(values)) > (len(costs) > 1)}
    figure = new_figure(2.9 * len(telling), 2.6)
    pareto_front([cost.layers for cost in costs], telling, xlabel="layers", figure=figure)
    figure.savefig(path, dpi=150, facecolor=PAPER)


def _count(name: str, text: str | None) -> int | None:
    """A number, whole or with a unit: 4096, 200k, 1.5M, 2e9."""
    if text is None:
        return None
    number, unit = (text[:-1], _UNITS[text[-1].lower()]) if text[-1:].lower() in _UNITS else (text, 1)
    try:
        return int(float(number) * unit)
    except (ValueError, OverflowError):
        flag = "--" + name.replace("_", "-")
        raise ValueError(f"`{flag}` must be a number, such as 4096, 200k or 1.5M. Received: {flag} {text}") from None
