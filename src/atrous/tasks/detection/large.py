"""Boxes in an image that is larger than memory: its maps by tiles, exactly, then all of them read once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.run import Run
from atrous.tasks.detection.network import one_map, taken_apart
from atrous.tasks.detection.prediction import as_json, as_results, confident, write_results
from atrous.tasks.detection.recipe import Detection
from atrous.tasks.detection.task import detector_of


def boxes_of(
    run: str,
    model: keras.Model,
    file: Path,
    output: Path,
    *,
    tile: Any = None,
    memory: int | str = "1GB",
    resume: bool = True,
    told: Callable[[Any], None] | None = None,
    progress: bool | None = None,
) -> dict[str, int]:
    """Writes the boxes in an image file as `atrous predict` does.

    While it computes, the maps are in `<output>.npy`, so that the same call goes on after a kill.

    Args:
        run: Folder of the run.
        model: Its model.
        file: The image, as `atrous.tiled.predict` takes it.
        output: A JSON file.
        tile: As for `atrous.tiled.predict`.
        memory: As for `atrous.tiled.predict`; the maps, `output_stride`² times smaller than the image, come to it.
        resume: As for `atrous.tiled.predict`.
        told: Is told the tiling before it begins.
        progress: As for `atrous.tiled.predict`.

    Returns:
        How many boxes of each class there are.

    Raises:
        ValueError: It isn't a run of detection, or an argument breaks its rule.
        FileNotFoundError: There is no such run.
        OSError: Nothing can be written there.
    """
    from atrous.tiled import images, plan
    from atrous.tiled.memory import parse_bytes
    from atrous.tiled.predicting import showing

    config = Run(run).config
    if not isinstance(config.recipe, Detection):
        raise ValueError(f"`run` must be a run of detection. Received: run={run!r}, of {config.recipe.task}.")
    detector, budget = detector_of(model, config), parse_bytes(memory)
    maps_file = output.with_name(output.name + ".npy")
    with images.opened(str(file), 3, budget) as opened:
        image = Padded(opened, detector.stride)
        tiling = plan(one_map(model), image.shape, tile=tile, memory=budget)
        if told is not None:
            told(tiling)
        with showing(tiling, progress) as shown:
            tiling.run(image, out=maps_file, told=shown, resume=resume, source=file)
        maps = np.load(maps_file, mmap_mode="r")
        found = detector.decoded(taken_apart(maps[None]), cast(tuple[int, int], tuple(opened.shape[:2])))[0]
    said = confident(found, config.recipe.confidence)
    boxes = as_json(said, config.class_names)
    write_results(as_results(boxes, said, config.category_ids, 1, file.name), output)
    maps_file.unlink()
    return dict(Counter(each["class"] for each in boxes))


class Padded:
    """An image in whole strides: beyond its end it repeats the edge, where it is asked.

    Args:
        image: Height × width × channels; anything that slices.
        stride: Height and width are multiples of it.
    """

    def __init__(self, image: Any, stride: int) -> None:
        self.image, self.dtype = image, image.dtype
        self.shape = (*(-(-n // stride) * stride for n in image.shape[:2]), *image.shape[2:])

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """A part, by slices without steps of height, width and perhaps channels."""
        slices = [each.indices(n)[:2] for each, n in zip(key if isinstance(key, tuple) else (key,), self.shape, strict=False)]
        slices += [(0, n) for n in self.shape[len(slices) :]]
        inside, pads = [], []
        for (start, stop), n in zip(slices, self.image.shape, strict=True):
            first = min(start, n - 1)
            inside.append(slice(first, max(first + 1, min(stop, n))))
            pads.append((0, stop - start - (inside[-1].stop - first)))
        return np.pad(np.asarray(self.image[tuple(inside)]), pads, mode="edge")
