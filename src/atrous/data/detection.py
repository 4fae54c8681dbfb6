"""Images with boxes around what is in them: a folder in, a data set of images of any size and their objects out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atrous.data.boxes import Annotated, BoxLayout, Objects, inside
from atrous.data.images import read_pixels
from atrous.data.parts import complete

Image = NDArray[np.uint8]

_KEPT = 2**28  # bytes of decoded images that are held in memory; beyond, files are read again each time


@dataclass(frozen=True)
class _Looked:
    """What is known of an example once it is decoded.

    Attributes:
        size: height and width.
        objects: those inside the image.
        kept: the image, if there is room for it.
        mended: what was wrong with its boxes.
    """

    size: tuple[int, int]
    objects: Objects
    kept: Image | None
    mended: str = ""


class BoxSplit:
    """Examples of a detection data set.

    Attributes:
        sizes: (n, 2) height and width of each.
        counts: (classes,) how many objects of each class there are to learn or to find.
    """

    def __init__(self, examples: Sequence[Annotated], looked: Sequence[_Looked], classes: int) -> None:
        """Takes what was annotated and what was seen when each was first decoded."""
        self._examples, self._looked = tuple(examples), tuple(looked)
        self.sizes = np.array([each.size for each in looked], np.int64).reshape(-1, 2)
        labels = np.concatenate([each.objects.learned.labels for each in looked]) if looked else np.zeros(0, np.int64)
        self.counts = np.bincount(labels, minlength=classes)

    def __len__(self) -> int:
        """Number of examples."""
        return len(self._examples)

    def __getitem__(self, index: int) -> tuple[Image, Objects]:
        """Image (height, width, 3), 0..255, and the objects in it."""
        looked = self._looked[int(index)]
        return (read_pixels(self._examples[int(index)].image, 3) if looked.kept is None else looked.kept), looked.objects

    def objects(self, index: int) -> Objects:
        """The objects in an image, without reading it."""
        return self._looked[int(index)].objects

    def name(self, index: int) -> str:
        """What the example is called: the image's name in the data set."""
        return self._examples[index].name


@dataclass(frozen=True)
class DetectionData:
    """A data set for detection.

    Attributes:
        name: the folder's name.
        class_names: label → name.
        category_ids: label → the number that the data have for the class.
        train: what the weights are fitted to.
        validation: what the best epoch is chosen by.
        test: what is looked at once, at the end.
        skipped: images that could not be read, and why.
        mended: images with boxes that were cut off or left out, and which.
        kind: what a recipe is chosen by.
    """

    name: str
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...]
    train: BoxSplit
    validation: BoxSplit
    test: BoxSplit
    skipped: tuple[tuple[str, str], ...] = field(default=())
    mended: tuple[tuple[str, str], ...] = field(default=())
    kind: str = ""


def load_detection(
    source: str | Path, seed: int = 0, strict: bool = False, class_names: Sequence[str] | None = None
) -> DetectionData:
    """Loads images with boxes. Every file is read once, so that what is wrong is found before training.

    A folder is told apart by what is in it:

    - Pascal VOC: `JPEGImages`, `Annotations/*.xml`, and perhaps `ImageSets/Main/train.txt`, `val.txt` (`voc_boxes`);
    - COCO: `instances_*.json`, here or in `annotations`, or `_annotations.coco.json`, here or in `train`, `valid`, `test`
      (`coco.coco_boxes`), or such a file itself.

    Without a test list, `val` is the test part, and a tenth of `train` is held out to choose the best epoch by; without any,
    80, 10 and 10 percent are drawn.

    Of a box that sticks out of its image the part inside is kept; one without any area inside is left out. Both are told in
    `mended`.

    Args:
        source: the folder; nothing in it is changed.
        seed: draws what isn't given as a part.
        strict: whether an image that can't be read, or a box that has to be mended, is an error; else it is left out or
            mended, and named.
        class_names: of a run; by default the data's own.

    Raises:
        FileNotFoundError: if there is no such folder, or an image that an annotation names is missing.
        ValueError: if the data break a rule of their format, no object is left to learn, or, with `strict`, an image or a
            box is wrong.
    """
    root, layout = _layout(Path(source).expanduser().absolute())
    if class_names is not None and layout.class_names != tuple(class_names):
        raise ValueError(f"`data` must have the classes {list(class_names)}. Received: {list(layout.class_names)}.")
    examples = [each for part in layout.parts.values() for each in part]
    looked = _look(examples, strict)
    skipped = tuple((each.name, seen) for each, seen in zip(examples, looked, strict=True) if isinstance(seen, str))
    found = {each: seen for each, seen in zip(examples, looked, strict=True) if isinstance(seen, _Looked)}
    mended = tuple((each.name, seen.mended) for each, seen in found.items() if seen.mended)
    parts = {name: [each for each in part if each in found] for name, part in layout.parts.items()}
    train, validation, test = (
        BoxSplit(part, [found[each] for each in part], len(layout.class_names))
        for part in (complete(parts, seed, "image that can be read")[name] for name in ("train", "validation", "test"))
    )
    if not train.counts.any():
        raise ValueError(f"`data` must have boxes to learn from. Received: none in {len(train)} training images.")
    names, ids = layout.class_names, layout.category_ids
    return DetectionData(root.name, names, ids, train, validation, test, skipped, mended)


def _look(examples: Sequence[Annotated], strict: bool) -> list[_Looked | str]:
    """Decodes every image: what is in it, or why it can't be told."""
    room = _KEPT // max(1, len(examples))

    def look(each: Annotated) -> _Looked | str:
        try:
            image = read_pixels(each.image, 3)
            size = (image.shape[0], image.shape[1])
            if each.size is not None and each.size != size:
                raise ValueError(
                    f"{str(each.image)!r} must have the size that its annotation says, {each.size[0]} × {each.size[1]} "
                    f"(height × width). Received: an image of {size[0]} × {size[1]}."
                )
            objects, out, without = inside(each.objects, size)
            mended = _told(out, without)
            if mended and strict:
                raise ValueError(f"Boxes must lie inside their image and have an area. Received: in {each.name!r} {mended}.")
        except FileNotFoundError:
            raise
        except ValueError as error:
            if strict:
                raise
            return str(error)
        return _Looked(size, objects, image if image.nbytes <= room else None, mended)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(look, examples))


def _told(out: int, without: int) -> str:
    said = [f"{out} {'box sticks' if out == 1 else 'boxes stick'} out of the image"] if out else []
    said += [f"{without} {'box has' if without == 1 else 'boxes have'} no area inside the image"] if without else []
    return ", ".join(said)


def _layout(path: Path) -> tuple[Path, BoxLayout]:
    from atrous.data.coco import coco_boxes, is_coco
    from atrous.data.voc_boxes import is_voc_boxes, voc_boxes

    if not path.exists():
        raise FileNotFoundError(f"`data` must be a folder that exists. Received: data={str(path)!r}.")
    if path.suffix == ".json":
        return path.parent, coco_boxes(path.parent, path)
    if path.is_dir() and is_voc_boxes(path):
        return path, voc_boxes(path)
    if path.is_dir() and is_coco(path):
        return path, coco_boxes(path)
    held = sorted(each.name for each in path.iterdir())[:8] if path.is_dir() else ["a file"]
    raise ValueError(
        f"{str(path)!r} must hold JPEGImages and Annotations/*.xml (Pascal VOC), or instances_….json or _annotations.coco.json "
        f"(COCO). Received: {', '.join(held) or 'nothing'}."
    )
