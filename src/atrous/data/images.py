"""Image files and arrays → arrays of one size and number of channels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"})
# Nothing but these is opened, whatever the extension says: some of Pillow's formats start other programs.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
RESIZES = ("stretch", "crop")
"""How an image comes to its size: all of it, without keeping proportions; or with them, and what is too long is cut off."""
_ORIENTATION = 0x0112  # EXIF tag; 5 to 8 turn the image by a quarter
_GRAY = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "I;16L"})


@dataclass(frozen=True)
class Header:
    """What is known of an image file without decoding it: size as it is looked at, in pixels, and whether it is gray."""

    height: int
    width: int
    gray: bool


def read_header(path: Path) -> Header:
    """Reads the header of an image file and makes sure that the file is whole, decoding it only if it must.

    Raises:
        ValueError: if the file is not an image or is truncated; the message names it.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            # Only where it is part of the header: for PNG, asking for EXIF decodes the file.
            turned = image.format in ("JPEG", "MPO") and image.getexif().get(_ORIENTATION, 1) >= 5
            width, height = reversed(image.size) if turned else image.size
            gray = image.mode in _GRAY
            _check(image)
    except Exception as error:  # Pillow's plugins raise whatever the damage leads to
        raise unreadable(path, error) from error
    return Header(height, width, gray)


def read_image(
    path: str | Path, image_shape: tuple[int, int, int], method: str = "stretch", place: float = 0.5
) -> NDArray[np.uint8]:
    """Reads an image file as a data set of that shape holds it.

    The image is turned as its EXIF orientation says, transparency is laid on white, of an animation the first frame is
    taken, 16-bit gray is scaled to 8 bits; then colours are converted and the image is resized by Pillow's (antialiased)
    bilinear filter.

    Args:
        path: a JPEG, PNG, BMP, GIF or WebP file.
        image_shape: height, width, channels (1: gray, 3: RGB).
        method: one of `RESIZES`; see `resize`.
        place: see `resize`.

    Returns:
        uint8 array of `image_shape`, 0..255.

    Raises:
        ValueError: if the file is not an image or is truncated; the message names it.
    """
    height, width, channels = image_shape
    # A hint to the JPEG decoder that it may skip detail which the resize would drop; no effect elsewhere.
    return resize(read_pixels(path, channels, draft=2 * max(height, width)), (height, width), method, place)


def read_pixels(path: str | Path, channels: int, draft: int | None = None) -> NDArray[np.uint8]:
    """Reads an image file as `read_image` does, in its own size.

    Args:
        path: a JPEG, PNG, BMP, GIF or WebP file.
        channels: 1 (gray) or 3 (RGB).
        draft: pixels a side that are enough: a JPEG's detail beyond them may be left out.

    Returns:
        (height, width, channels) uint8, 0..255.

    Raises:
        ValueError: if the file is not an image or is truncated; the message names it.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if draft is not None:
                image.draft(None, (draft, draft))
            upright = ImageOps.exif_transpose(image)
            pixels = np.asarray(_opaque(_eight_bit(upright)).convert("L" if channels == 1 else "RGB"))
    except FileNotFoundError:
        raise
    except Exception as error:  # Pillow's plugins raise whatever the damage leads to
        raise unreadable(path, error) from error
    return pixels.reshape(*pixels.shape[:2], channels)


def resize(image: NDArray[np.uint8], size: tuple[int, int], method: str = "stretch", place: float = 0.5) -> NDArray[np.uint8]:
    """Resizes by Pillow's bilinear filter, which averages over all source pixels when it shrinks.

    Args:
        image: (height, width, channels) uint8, one or three channels.
        size: height and width of the result.
        method: `"stretch"`, or `"crop"`: the largest part with the proportions of `size`.
        place: of that part: 0 is the upper or left end, 1 the lower or right one, 0.5 the middle, as ImageNet is tested.

    Returns:
        (*size, channels) uint8.
    """
    if image.shape[:2] == size:
        return image
    channels = image.shape[2]
    source = Image.fromarray(image[..., 0] if channels == 1 else image)
    box = _part(image.shape[:2], size, place) if method == "crop" else None
    resized = source.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized).reshape(*size, channels)


def _part(old: tuple[int, ...], new: tuple[int, int], place: float) -> tuple[float, float, float, float]:
    """Left, upper, right and lower end of the largest part that has the proportions of `new`, in pixels of the source."""
    scale = min(old[0] / new[0], old[1] / new[1])
    height, width = scale * new[0], scale * new[1]
    top, left = place * (old[0] - height), place * (old[1] - width)
    return left, top, min(left + width, old[1]), min(top + height, old[0])


def _check(image: Image.Image) -> None:
    if image.format == "PNG":
        image.verify()  # by its checksums
        return
    image.draft("L", (1, 1))  # of a JPEG the least that decodes all of the file: an eighth of its size, gray
    image.load()


def _eight_bit(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips 16-bit values at 255 instead of scaling them.
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)


def unreadable(path: str | Path, error: Exception) -> ValueError:
    """What to say of a file that should be an image."""
    return ValueError(
        f"{str(path)!r} must be a whole JPEG, PNG, BMP, GIF or WebP image. Received: {error}. Replace it or remove it."
    )
