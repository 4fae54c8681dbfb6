from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atrous.data import read_image
from atrous.data.images import read_header, resize


def gradient(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], -1).astype(np.uint8)


@pytest.mark.parametrize("extension", ["png", "bmp", "webp", "jpg", "gif"])
def test_formats(tmp_path: Path, extension: str) -> None:
    path, image = tmp_path / f"a.{extension}", gradient(12, 20)
    options = {"webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}.get(extension, {})
    Image.fromarray(image).save(path, **options)
    tolerance = {"jpg": 6, "gif": 40}.get(extension, 0)
    assert np.abs(read_image(path, (12, 20, 3)).astype(int) - image).max() <= tolerance
    header = read_header(path)
    assert (header.height, header.width, header.gray) == (12, 20, False)


def test_resizing_averages_when_it_shrinks(tmp_path: Path) -> None:
    board = (np.indices((40, 40)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "a.png")
    small = read_image(tmp_path / "a.png", (10, 5, 1))
    assert small.shape == (10, 5, 1)
    assert np.abs(small.astype(int) - 127).max() <= 10


def test_resize_to_the_same_size_changes_nothing() -> None:
    image = gradient(7, 9)
    assert resize(image, (7, 9)) is image


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(tmp_path: Path, orientation: int) -> None:
    upright = gradient(16, 32)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, quality=100, subsampling=0, exif=exif)
    header = read_header(path)
    assert (header.height, header.width) == (16, 32)
    assert np.abs(read_image(path, (16, 32, 3)).astype(int) - upright).max() <= 6


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (6, 4), (0, 0, 0, 0))
    image.paste((200, 0, 0, 255), (0, 0, 3, 4))
    if mode == "P":
        image = image.convert("RGB").quantize(4)
        image.info["transparency"] = image.getpixel((5, 0))
        image.save(tmp_path / "a.png", transparency=image.getpixel((5, 0)))
    else:
        image.convert(mode).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png", (4, 6, 3))
    assert read[0, 5].tolist() == [255, 255, 255]
    assert read[0, 0].tolist() != [255, 255, 255]


def test_sixteen_bit_gray_is_scaled(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert read_header(tmp_path / "a.png").gray
    assert read_image(tmp_path / "a.png", (1, 5, 1)).reshape(-1).tolist() == [0, 0, 1, 128, 255]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "RGB"])
@pytest.mark.parametrize("channels", [1, 3])
def test_modes_become_gray_or_rgb(tmp_path: Path, mode: str, channels: int) -> None:
    path = tmp_path / ("a.jpg" if mode in ("CMYK", "YCbCr") else "a.png")
    Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode).save(path)
    assert read_header(path).gray == (mode in ("1", "L"))
    read = read_image(path, (8, 8, channels))
    assert read.shape == (8, 8, channels)
    assert read.min() >= 250


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "a.gif", (4, 4, 3))[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("extension", ["png", "jpg", "bmp", "gif", "webp"])
@pytest.mark.parametrize("kept", [0.5, 0.97])
@pytest.mark.parametrize("read", [read_header, lambda path: read_image(path, (4, 4, 3))])
def test_truncated_file(tmp_path: Path, extension: str, kept: float, read) -> None:
    path = tmp_path / f"a.{extension}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(ValueError, match=rf"a\.{extension}' must be a whole .* image. Received: .+ Replace it"):
        read(path)


def test_what_a_camera_appends_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(gradient(64, 64)).save(path)
    path.write_bytes(path.read_bytes() + bytes(2000))
    assert read_header(path).height == 64
    assert read_image(path, (64, 64, 3)).shape == (64, 64, 3)


@pytest.mark.parametrize("content", [b"", b"<html>404 not found</html>", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
@pytest.mark.parametrize("read", [read_header, lambda path: read_image(path, (4, 4, 3))])
def test_foreign_file(tmp_path: Path, content: bytes, read) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.jpg' must be a whole"):
        read(tmp_path / "a.jpg")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        read_image(tmp_path / "nothing.png", (4, 4, 3))
