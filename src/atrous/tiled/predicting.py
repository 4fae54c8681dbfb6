"""`predict`: a model on an image of any size, exactly."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from atrous.tiled import images
from atrous.tiled.memory import parse_bytes
from atrous.tiled.tiling import Tiling, Told, plan


def predict(
    model: Any,
    image: Any,
    *,
    tile: int | Sequence[int] | None = None,
    out: Any = None,
    memory: int | str = "1GB",
    dtype: Any = None,
    activation: str | None = None,
    approximate: bool = False,
    progress: bool | Callable[[int, int], None] | None = None,
    resume: bool = True,
) -> Any:
    """Computes a model on an image of any size, tile by tile; the answer is that of the whole image.

    Example:
        labels = atrous.tiled.predict(model, "slide.tif", out="labels.npy", activation="argmax", memory="2GB")

    **How it is exact.** For a tile of the *output*, the model's layers are followed backwards: what each reads, from
    `atrous.field`, gives the part of every map that the tile needs, down to the image. Then the layers are computed on these
    parts, forward. So padding is put where the whole image ends and nowhere else, in the amount that its size asks for, at
    every layer; strides, poolings, transposed convolutions and resizing by any ratio keep their phase; and what tiles compute
    twice grows smaller from layer to layer. The result differs from `model.predict` by rounding alone. (TensorFlow itself
    rounds the places that bilinear resizing looks at, to float32: by some thousandths of a pixel at position 20,000.)

    **Layers that read the whole image.** Global average and maximum pooling (also `keras.ops.mean`, `sum`, `max`, `min`), as
    in the image pooling of ASPP or in squeeze and excitation, are exact in one more pass: first the map in front of them is
    made tile by tile and reduced, in float64; then their result is known. Several behind each other take as many passes, each
    of which begins at the image again; `plan` tells how many. All others (attention, group or layer normalisation over space,
    recurrent layers, adaptive pooling, flatten) are refused by name. With `approximate=True`, those whose output has the size
    of their input take their statistics from, or attend to, what is there of a tile: the tile and, around it, the halo that
    the layers behind need. Their result depends on the tile, then; the rest of the model stays exact, and so do passes.

    **Memory.** Beyond the model and image given, a process takes `memory` at most, by a model of TensorFlow's allocator with
    measured constants. What is mapped from files isn't counted, and its pages are let go behind each tile. `.npy` files are
    never read whole. A PNG, JPEG or TIFF file that takes more than a quarter of `memory` when it is decoded goes line by
    line, by libvips (`pip install 'atrous[large-images]'`), into a temporary file, of the decoded size, in the folder TMPDIR.
    The array that is returned for `out=None` is held in memory beyond `memory`, and so is an array that is given as `image`.

    Args:
        model: A `keras.Model` with one input and one output; functional, sequential, or a subclass made of layers and
            `keras.ops`.
        image: (*space, channels) as the model takes it, of any rank, without a batch axis: to compute several, call once for
            each. Anything that has `shape` and `dtype` and slices like an array (NumPy, `np.memmap`, zarr, h5py), or the path
            of a `.npy`, `.png`, `.jpg` or `.tif` file; of pictures, gray and colour are brought to the model's 1 or 3
            channels.
        tile: Size of tiles in positions of the image, one number or one for each dim of space; by default the largest that
            `memory` is enough for. Tiles begin at multiples of the output's period (its stride, for example), so that few
            kinds arise: each is compiled once.
        out: Where the result goes: `None` (an array is made), anything that takes `out[slices] = values` and has its shape,
            or the path of a `.npy` file, or `.png` or `.tif` where that holds it (height × width, or × 3 of uint8). A file
            has its name only when it is whole, and replaces what had it.
        memory: Bytes that computing may take: "1GB", "512MB", 2**30; units are powers of 1024.
        dtype: Of the result; by default float32, and for labels uint8, uint16 or int32, whichever holds the classes.
        activation: `None`: what the model returns. `"argmax"`: the class of largest value at each position, so that no float
            map is ever there as a whole.
        approximate: Whether layers that read the whole image, and can't be computed exactly, may read what is there of a
            tile.
        progress: `True`, a bar; `False`, nothing; `None`, a bar on a terminal. Or a function that is called with the number
            of tiles done and of all tiles, those of all passes.
        resume: Whether to go on with a result that was begun. While a path is written, there are `<out>.partial` and
            `<out>.partial.json`, which says how far it is, of which model, image (shape, type; size and time of a mapped
            file), tile and result. After a kill, or a full disk, the same call goes on where these were left, a second before
            at most; a call that differs is refused. `False` begins anew. Arrays given as `out` begin anew always.

    Returns:
        The array: made, given, or the `.npy` file, mapped. For a picture, its path.

    Raises:
        ValueError: An argument breaks its rule, the image doesn't fit, a layer can't be computed by tiles (it is named),
            `memory` is less than the smallest tile takes, or what was begun is something else.
        OSError: The disk is full; what is done is kept.
        ImportError: A picture needs libvips, which isn't installed.
    """
    with (
        prepared(model, image, tile=tile, memory=memory, approximate=approximate) as (tiling, opened),
        showing(tiling, progress) as told,
    ):
        options = {"dtype": dtype, "activation": activation, "told": told, "resume": resume, "source": image}
        return tiling.run(opened, out=out, **options)


@contextlib.contextmanager
def prepared(
    model: Any, image: Any, *, tile: int | Sequence[int] | None, memory: int | str, approximate: bool
) -> Iterator[tuple[Tiling, Any]]:
    """The first half of `predict`, whose arguments it takes: the tiling, and the image as something that slices."""
    budget = parse_bytes(memory)
    with images.opened(image, _channels(model), budget) as opened:
        if not hasattr(opened, "shape") or not hasattr(opened, "dtype"):
            raise ValueError(f"`image` must have a shape and a dtype, or be a path. Received: image={type(opened).__name__}.")
        decoded = isinstance(opened, np.ndarray) and not isinstance(opened, np.memmap) and opened is not image
        left = budget - opened.nbytes if decoded else budget
        yield plan(model, opened.shape, tile=tile, memory=left, approximate=approximate), opened


def _channels(model: Any) -> int | None:
    """Of pictures; `None` where the model leaves them open."""
    shape = getattr(model, "input_shape", None)
    return shape[-1] if isinstance(shape, tuple) and len(shape) == 4 and shape[-1] in (1, 3) else None


@contextlib.contextmanager
def showing(tiling: Tiling, progress: bool | Callable[[int, int], None] | None) -> Iterator[Told | None]:
    """A bar, or whatever else is told how far a tiling is."""
    before = [sum(map(len, tiling.grids[:number])) for number in range(tiling.passes)]
    if callable(progress):
        tell = progress
        yield lambda _, number, done: tell(before[number] + done, tiling.tiles)
        return
    console = Console(stderr=True)
    if progress is None:
        progress = console.is_terminal or console.is_jupyter
    if not progress:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn("tiles"))
    with Progress(*columns, TimeRemainingColumn(), TextColumn("left"), console=console, transient=True, expand=True) as bar:
        task = bar.add_task("", total=tiling.tiles)

        def told(_: Tiling, number: int, done: int) -> None:
            name = f"pass {number + 1}/{tiling.passes}" if tiling.passes > 1 else "tiling"
            bar.update(task, completed=before[number] + done, description=name)

        yield told
