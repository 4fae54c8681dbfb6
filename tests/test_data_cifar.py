from pathlib import Path

import numpy as np
import pytest

from atrous.data import load
from atrous.data.cifar import CIFAR10_CLASSES, TEST_FILE, TRAIN_FILES


def make_folder(folder: Path, records: int = 20) -> dict[str, np.ndarray]:
    """Writes the six files; returns their images, (records, 32, 32, 3)."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    written = {}
    for file in (*TRAIN_FILES, TEST_FILE):
        written[file] = rng.integers(0, 256, (records, 32, 32, 3), np.uint8)
        with (folder / file).open("wb") as stream:
            for i, image in enumerate(written[file]):
                stream.write(bytes([i % 10]))
                for channel in range(3):
                    stream.write(image[..., channel].tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(CIFAR10_CLASSES) + "\n\n")
    return written


def test_a_folder_of_the_binary_version(tmp_path: Path) -> None:
    written = make_folder(tmp_path / "cifar-10-batches-bin")
    data = load(tmp_path / "cifar-10-batches-bin")
    assert data.name == "cifar-10-batches-bin"
    assert data.class_names == CIFAR10_CLASSES
    assert data.image_shape == (32, 32, 3)
    assert (len(data.train), len(data.validation), len(data.test)) == (90, 10, 20)
    np.testing.assert_array_equal(data.test.images(range(20)), written[TEST_FILE])
    np.testing.assert_array_equal(data.test.labels, np.arange(20) % 10)
    published = np.concatenate([written[file] for file in TRAIN_FILES])
    row = int(data.validation.name(3).removeprefix("train #"))
    np.testing.assert_array_equal(data.validation.images([3])[0], published[row])
    assert data.validation.labels[3] == row % 10


def test_class_names_are_those_of_the_folder_or_the_published(tmp_path: Path) -> None:
    make_folder(tmp_path / "c")
    (tmp_path / "c/batches.meta.txt").write_text("\n".join("abcdefghij"))
    assert load(tmp_path / "c").class_names == tuple("abcdefghij")
    (tmp_path / "c/batches.meta.txt").write_text("a\nb\n")
    with pytest.raises(ValueError, match=r"batches\.meta\.txt' must name 10 classes, one a line. Received: 2"):
        load(tmp_path / "c")
    (tmp_path / "c/batches.meta.txt").unlink()
    assert load(tmp_path / "c").class_names == CIFAR10_CLASSES


@pytest.mark.parametrize("size", [0, 3072, 20 * 3073 - 1])
def test_truncated_file(tmp_path: Path, size: int) -> None:
    make_folder(tmp_path / "c")
    path = tmp_path / "c/data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:size])
    message = rf"data_batch_3\.bin' is truncated .* must be a multiple of 3073 bytes .*Received: {size} bytes"
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "c")


def test_foreign_file(tmp_path: Path) -> None:
    make_folder(tmp_path / "c")
    content = bytearray((tmp_path / "c" / TEST_FILE).read_bytes())
    content[3073] = 10
    (tmp_path / "c" / TEST_FILE).write_bytes(content)
    with pytest.raises(ValueError, match=r"test_batch\.bin' is not .* 0..9. Received: label 10 in record 1"):
        load(tmp_path / "c")


def test_missing_file(tmp_path: Path) -> None:
    make_folder(tmp_path / "c")
    (tmp_path / "c/data_batch_5.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"data_batch_1\.bin, .*Received: no data_batch_5\.bin"):
        load(tmp_path / "c")


def test_the_pickled_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x02}")
    with pytest.raises(FileNotFoundError, match="is pickled and is not read"):
        load(tmp_path)
