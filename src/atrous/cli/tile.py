"""The command `atrous tile`."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from atrous.cli import messages
from atrous.cli.words import integers

LARGE_OVERLAP = 2.0
"""From here on it is said how often pixels are read."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(tile)


def tile(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder, or a .keras file.", show_default=False)],
    input_: Annotated[
        Path,
        typer.Option("--input", metavar="FILE", help="The image: .npy, .png, .jpg or .tif, of any size.", show_default=False),
    ],
    output: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Where the result goes: .npy, .png or .tif for labels, .json for boxes.", show_default=False
        ),
    ],
    tile: Annotated[
        str | None,
        typer.Option(metavar="N|H,W", help="Size of tiles in pixels of the image. Default: the largest that fits the memory."),
    ] = None,
    memory: Annotated[str, typer.Option(metavar="BYTES", help="Memory that computing may take.")] = "1GB",
    argmax: Annotated[
        bool | None,
        typer.Option(
            "--argmax/--raw",
            help="The class of largest value at each position; or what the model returns. Default: --raw for a single channel.",
            show_default=False,
        ),
    ] = None,
    approximate: Annotated[
        bool, typer.Option("--approximate", help="Let layers that read the whole image read what is there of a tile.")
    ] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, whatever was begun.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and no bar.")] = False,
) -> None:
    """Compute a model on an image larger than memory, tile by tile; the result is that of the whole image.

    Of a run of detection, the boxes in the image are written: no object is cut by the edge of a tile.

    Stopped or killed, the same command goes on where it was.
    """
    model = messages.load_workflow(as_json).load_model(run)
    size = integers("tile", tile)
    if isinstance(getattr(model, "output", None), dict):
        _boxes(run, model, input_, output, {"tile": size, "memory": memory, "resume": not restart}, as_json)
        return
    from atrous.tiled.peak import PeakMemory
    from atrous.tiled.predicting import prepared, showing

    shape = model.output_shape
    labels = isinstance(shape, tuple) and (shape[-1] or 2) > 1 if argmax is None else argmax
    with PeakMemory() as peak, prepared(model, input_, tile=size, memory=memory, approximate=approximate) as (tiling, image):
        messages.note(_plan(tiling), quiet=as_json)
        seconds = -time.perf_counter()
        try:
            with showing(tiling, False if as_json else None) as told:
                kind = "argmax" if labels else None
                tiling.run(image, out=output, activation=kind, told=told, resume=not restart, source=input_)
        except KeyboardInterrupt:
            messages.error(f"Stopped. The same command goes on with {output}.")
            raise typer.Exit(130) from None
        seconds += time.perf_counter()
    facts = _facts(tiling, output, seconds, peak)
    if as_json:
        print(json.dumps(facts))
    else:
        megabytes = f"{peak.grown / 1e6:,.0f} MB of memory at most, {peak.mapped / 1e6:,.0f} MB of mapped files"
        messages.note(f"{output}: {seconds:,.1f} s, {facts['seconds_per_megapixel']:.3g} s a megapixel, {megabytes}")


def _boxes(run: str, model: Any, file: Path, output: Path, options: dict[str, Any], as_json: bool) -> None:
    """A detector's part: boxes, and how many of which class."""
    from atrous.tasks.detection.large import boxes_of

    if output.suffix != ".json":
        raise ValueError(f"`output` must be a .json file for boxes. Received: output={str(output)!r}.")

    def told(tiling: Any) -> None:
        messages.note(_plan(tiling), quiet=as_json)

    seconds = -time.perf_counter()
    try:
        found = boxes_of(run, model, file, output, told=told, progress=False if as_json else None, **options)
    except KeyboardInterrupt:
        messages.error(f"Stopped. The same command goes on with {output}.")
        raise typer.Exit(130) from None
    seconds += time.perf_counter()
    if as_json:
        print(json.dumps({"output": str(output), "found": found, "seconds": seconds}))
    else:
        kinds = ", ".join(f"{name} {count:,}" for name, count in found.items()) or "nothing"
        messages.note(f"{output}: {kinds}; {seconds:,.1f} s")


def _facts(tiling: Any, output: Path, seconds: float, peak: Any) -> dict[str, Any]:
    pixels = math.prod(tiling.image_shape[d] for d in tiling.plan.origins[tiling.plan.image])
    return {
        "output": str(output),
        "image_shape": tiling.image_shape,
        "output_shape": tiling.output_shape,
        "tile": tiling.tile,
        "tiles": tiling.tiles,
        "halo": tiling.halo,
        "passes": tiling.passes,
        "overlap": tiling.overlap,
        "approximate": tiling.approximate,
        "seconds": seconds,
        "seconds_per_megapixel": seconds / pixels * 1e6,
        "predicted_bytes": tiling.bytes,
        "peak_bytes": peak.grown,
        "peak_mapped_bytes": peak.mapped,
    }


def _plan(tiling: Any) -> str:
    """What is going to be done, in a sentence or two."""
    size, tile = ("×".join(f"{n:,}" for n in sizes) for sizes in (tiling.image_shape, tiling.tile))
    halo = ", ".join(str(before) if before == behind else f"{before}+{behind}" for before, behind in tiling.halo)
    passes = "" if tiling.passes == 1 else f" in {tiling.passes} passes"
    text = f"{size}: {tiling.tiles:,} tiles of {tile}{passes}, halo {halo}, about {tiling.bytes / 1e6:,.0f} MB of memory"
    if tiling.overlap > LARGE_OVERLAP:
        text += f"\nEach pixel is read {tiling.overlap:.1f} times, for the halo is large: more --memory makes larger tiles."
    if tiling.approximate:
        text += f"\nNot exact: {', '.join(tiling.approximate)} read each tile alone."
    return text
