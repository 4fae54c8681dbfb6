"""Images with a class for each pixel: a folder in, a data set of images and masks of any size out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atrous.data.images import read_pixels
from atrous.data.masks import VOID, MaskError, Palette, palette_of, read_mask, voc_palette
from atrous.data.parts import complete

Mask = NDArray[np.uint8]
Image = NDArray[np.uint8]

_KEPT = 2**28  # bytes of decoded images that are held in memory; beyond, files are read again each time
_NAMED = 3  # files that a message names


@dataclass(frozen=True)
class Pair:
    """An image and its mask.

    Attributes:
        image: file of the image.
        mask: file of the mask, or a function that draws it.
        name: what the example is called.
    """

    image: Path
    mask: Path | Callable[[], Mask]
    name: str


@dataclass(frozen=True)
class Layout:
    """What a loader of one format found, before a file is decoded.

    Attributes:
        parts: pairs of each part that is given: "train", and perhaps "validation", "test".
        class_names: label → name; `None` if they aren't told.
        palette: colour of each class; `None` if it isn't told.
        names_are_told: whether the names stand in the data, and aren't those that the format has by default.
        one_is_white: whether labels may be 0 and 255, as black and white images of one class have them.
    """

    parts: dict[str, list[Pair]]
    class_names: tuple[str, ...] | None = None
    palette: Palette | None = None
    names_are_told: bool = True
    one_is_white: bool = False


class MaskSplit:
    """Examples of a segmentation data set.

    Attributes:
        sizes: (n, 2) height and width of each.
        pixels: (classes,) how many pixels of each class there are.
    """

    def __init__(
        self, pairs: Sequence[Pair], looked: Sequence[_Looked], classes: int, read: Callable[[Pair], tuple[Image, Mask]]
    ):
        """Takes pairs and what was seen when each was first decoded."""
        self.pairs = tuple(pairs)
        self.sizes = np.array([each.size for each in looked], np.int64).reshape(-1, 2)
        self.pixels = sum((each.counts[:classes] for each in looked), np.zeros(classes, np.int64))
        self._kept = {i: each.kept for i, each in enumerate(looked)}
        self._read = read

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Image, Mask]:
        """Image (height, width, 3), 0..255, and mask (height, width), labels and 255."""
        kept = self._kept.get(int(index))
        return kept if kept is not None else self._read(self.pairs[int(index)])

    def name(self, index: int) -> str:
        """What the example is called: the image's path in the data set."""
        return self.pairs[index].name


@dataclass(frozen=True)
class SegmentationData:
    """A data set for segmentation.

    Attributes:
        name: the folder's name.
        class_names: label → name.
        palette: label → red, green, blue.
        train: what the weights are fitted to.
        validation: what the best epoch is chosen by.
        test: what is looked at once, at the end.
        skipped: files that could not be read, and why.
        kind: what a recipe is chosen by.
    """

    name: str
    class_names: tuple[str, ...]
    palette: Palette
    train: MaskSplit
    validation: MaskSplit
    test: MaskSplit
    skipped: tuple[tuple[str, str], ...] = field(default=())
    kind: str = ""


@dataclass(frozen=True)
class _Looked:
    """What is known of an example once it is decoded."""

    size: tuple[int, int]
    counts: NDArray[np.int64]
    kept: tuple[Image, Mask] | None


def load_segmentation(
    source: str | Path,
    seed: int = 0,
    strict: bool = False,
    class_names: Sequence[str] | None = None,
    palette: Palette | None = None,
) -> SegmentationData:
    """Loads images with masks. Every file is decoded once, so that what is wrong is found before training.

    A folder is told apart by what is in it:

    - Pascal VOC: `JPEGImages`, `SegmentationClass` and `ImageSets/Segmentation/train.txt`, `val.txt` (`voc.voc_layout`);
    - images and masks: `images` and `masks`, files of equal names, perhaps in sub-folders `train`, `val`, `test`
      (`voc.folder_layout`);
    - COCO: `instances_*.json`, here or in `annotations` (`coco.coco_layout`), or such a file itself.

    `labels.txt` (or `classes.txt`) names the classes, one a line, from label 0 on. Without a test list, `val` is the test part,
    and a tenth of `train` is held out to choose the best epoch by; without any, 80, 10 and 10 percent are drawn.

    Args:
        source: the folder; nothing in it is changed.
        seed: draws what isn't given as a part.
        strict: whether a file that can't be read is an error; else it is left out, and named in `skipped`.
        class_names: of a run; by default the data's own.
        palette: of a run; by default the data's own.

    Raises:
        FileNotFoundError: if there is no such folder, or a file that a list names is missing.
        ValueError: if the data break a rule of their format: a mask of another size, a label without a class, an RGB
            mask with other colours, a part without examples, or, with `strict`, a file that can't be read.
    """
    root, layout = _layout(Path(source).expanduser().absolute())
    pairs = [pair for part in layout.parts.values() for pair in part]
    colors = palette or layout.palette or _first_palette(pairs) or voc_palette()
    read = _Reader(colors)
    looked, skipped = _look(pairs, read, strict)
    highest = max((int(np.flatnonzero(each.counts[:VOID]).max(initial=0)) for each in looked.values()), default=0)
    white = layout.one_is_white and highest == 0 and any(each.counts[VOID] for each in looked.values())
    if white:
        read.white = True
        looked, skipped = _look(pairs, read, strict)
        highest = 1
    if class_names and layout.names_are_told and layout.class_names != tuple(class_names):
        raise ValueError(f"`data` must have the classes {list(class_names)}. Received: {list(layout.class_names or ())}.")
    names = tuple(class_names or layout.class_names or (("background", "foreground") if white else _numbered(highest + 1)))
    _require_classes(looked, names)
    parts = {name: [pair for pair in part if pair in looked] for name, part in layout.parts.items()}
    splits = {
        name: MaskSplit(part, [looked[pair] for pair in part], len(names), read)
        for name, part in complete(parts, seed, "image with a mask").items()
    }
    colors = (*colors, *voc_palette()[len(colors) :])
    train, validation, test = (splits[part] for part in ("train", "validation", "test"))
    return SegmentationData(root.name, names, colors[: len(names)], train, validation, test, tuple(skipped))


class _Reader:
    """Reads a pair and compares the two."""

    def __init__(self, palette: Palette) -> None:
        self.palette = palette
        self.white = False  # whether 255 is class 1

    def __call__(self, pair: Pair) -> tuple[Image, Mask]:
        image = read_pixels(pair.image, 3)
        mask = read_mask(pair.mask, self.palette) if isinstance(pair.mask, Path) else pair.mask()
        if mask.shape != image.shape[:2]:
            raise MaskError(
                f"The mask of {pair.name!r} must have the size of the image, {image.shape[0]} × {image.shape[1]} "
                f"(height × width). Received: a mask of {mask.shape[0]} × {mask.shape[1]}."
            )
        return image, np.minimum(mask, 1) if self.white else mask


def _look(pairs: list[Pair], read: _Reader, strict: bool) -> tuple[dict[Pair, _Looked], list[tuple[str, str]]]:
    room = _KEPT // max(1, len(pairs))

    def look(pair: Pair) -> _Looked | str:
        try:
            image, mask = read(pair)
        except (MaskError, FileNotFoundError):
            raise
        except ValueError as error:
            if strict:
                raise
            return str(error)
        kept = (image, mask) if image.nbytes + mask.nbytes <= room else None
        return _Looked(mask.shape, np.bincount(mask.ravel(), minlength=256), kept)  # type: ignore[arg-type]

    with ThreadPoolExecutor() as pool:
        found = dict(zip(pairs, pool.map(look, pairs), strict=True))
    skipped = [(pair.name, each) for pair, each in found.items() if isinstance(each, str)]
    return {pair: each for pair, each in found.items() if isinstance(each, _Looked)}, skipped


def _require_classes(looked: dict[Pair, _Looked], names: Sequence[str]) -> None:
    wrong = {pair.name: np.flatnonzero(each.counts[len(names) : VOID]) + len(names) for pair, each in looked.items()}
    wrong = {name: labels for name, labels in wrong.items() if len(labels)}
    if wrong:
        name, labels = next(iter(wrong.items()))
        more = f", and in {len(wrong) - 1} more masks" if len(wrong) > 1 else ""
        raise ValueError(
            f"Labels of masks must be below {len(names)}, the number of classes, or 255 (void). Received: "
            f"{', '.join(map(str, labels[:5].tolist()))} in {name!r}{more}. "
            "Name all classes in labels.txt, one a line, or mend the masks."
        )
    if len(names) < 2:
        raise ValueError(f"Masks must have at least two classes, one of which may be the background. Received: {list(names)}.")


def _layout(path: Path) -> tuple[Path, Layout]:
    from atrous.data import coco, voc

    if not path.exists():
        raise FileNotFoundError(f"`data` must be a folder that exists. Received: data={str(path)!r}.")
    if path.suffix == ".json":
        return path.parent, coco.coco_layout(path.parent, path)
    if voc.is_voc(path):
        return path, voc.voc_layout(path)
    if voc.is_folders(path):
        return path, voc.folder_layout(path)
    if coco.is_coco(path):
        return path, coco.coco_layout(path)
    raise ValueError(
        f"{str(path)!r} must hold JPEGImages, SegmentationClass and ImageSets/Segmentation (Pascal VOC), or images and masks, "
        f"or instances_….json (COCO). Received: {', '.join(sorted(each.name for each in path.iterdir())[:8]) or 'nothing'}."
    )


def _first_palette(pairs: Sequence[Pair]) -> Palette | None:
    return next((found for pair in pairs[:20] if isinstance(pair.mask, Path) and (found := palette_of(pair.mask))), None)


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"class {label}" for label in range(count))
