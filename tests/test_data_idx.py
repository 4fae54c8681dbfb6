import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atrous.data import load
from atrous.data.idx import FASHION_CLASSES, read_idx, write_idx


def make_folder(folder: Path, suffix: str = ".gz", classes: int = 3) -> Path:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for part, n in (("train", 60), ("t10k", 12)):
        write_idx(folder / f"{part}-images-idx3-ubyte{suffix}", rng.integers(0, 256, (n, 5, 4), np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte{suffix}", (np.arange(n) % classes).astype(np.uint8))
    return folder


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)), st.sampled_from(["", ".gz"]))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, suffix: str) -> None:
    path = tmp_path_factory.mktemp("idx") / f"array{suffix}"
    write_idx(path, array)
    read = read_idx(path)
    assert read.shape == array.shape
    np.testing.assert_array_equal(read, array)


def test_the_same_array_gives_the_same_bytes(tmp_path: Path) -> None:
    array = np.arange(200, dtype=np.uint8)
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, array)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert (tmp_path / "a.gz").read_bytes()[4:8] == b"\0\0\0\0"  # no time stamp


HEADER = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (100, 28, 28))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an IDX file of unsigned bytes: it must start with 00 00 08. Received: an empty file"),
        (b"\x89PNG\r\n", "is not an IDX file of unsigned bytes.*Received: 89 50 4e 47"),
        (bytes([0, 0, 13, 1]), "is not an IDX file of unsigned bytes"),  # 13: float32
        (HEADER[:10], "is truncated: its header must have 16 bytes. Received: 10"),
        (
            HEADER + bytes(1234),
            r"is truncated: header promises 100 images of 28x28 \(78400 bytes\), found 1234",
        ),
        (HEADER + bytes(78401), r"is longer than its header says: header promises 100 images .*found 78401"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_damaged_content(tmp_path: Path, content: bytes, message: str, suffix: str) -> None:
    path = tmp_path / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def corrupt(content: bytes) -> bytes:
    return content[:20] + bytes(b ^ 0xFF for b in content[20:40]) + content[40:]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "is truncated: its gzip stream has no end"),
        (corrupt, "is not a whole gzip file"),
        (lambda content: b"<html>404</html>", "is not a whole gzip file"),
    ],
)
def test_damaged_gzip(tmp_path: Path, damage, message: str) -> None:
    folder = make_folder(tmp_path / "mnist")
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as caught:
        load(folder)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_folder_is_loaded_whole(tmp_path: Path, suffix: str) -> None:
    data = load(make_folder(tmp_path / "digits", suffix))
    assert data.name == "digits"
    assert data.class_names == ("0", "1", "2")
    assert data.image_shape == (5, 4, 1)
    assert (len(data.train), len(data.validation), len(data.test)) == (54, 6, 12)
    np.testing.assert_array_equal(
        data.test.images([3, 1])[..., 0], read_idx(tmp_path / f"digits/t10k-images-idx3-ubyte{suffix}")[[3, 1]]
    )
    assert data.test.name(3) == "test #3"


def test_validation_is_a_seeded_tenth_of_train(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "digits")
    parts = [load(folder, seed) for seed in (0, 0, 1)]
    names = [[part.validation.name(i) for i in range(6)] for part in parts]
    assert names[0] == names[1] != names[2]
    train = {parts[0].train.name(i) for i in range(54)}
    assert train | set(names[0]) == {f"train #{i}" for i in range(60)}
    assert np.bincount(parts[0].validation.labels).tolist() == [2, 2, 2]


def test_examples_keep_their_labels(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "digits")
    images = read_idx(folder / "train-images-idx3-ubyte.gz")
    data = load(folder)
    for split in (data.train, data.validation):
        for i in range(len(split)):
            row = int(split.name(i).removeprefix("train #"))
            np.testing.assert_array_equal(split.images([i])[0, ..., 0], images[row])
            assert split.labels[i] == row % 3


def test_class_names(tmp_path: Path) -> None:
    assert load(make_folder(tmp_path / "Fashion-images")).class_names == FASHION_CLASSES
    folder = make_folder(tmp_path / "kuzushiji")
    (folder / "labels.txt").write_text("o\nki\nsu\n", encoding="utf-8")
    assert load(folder).class_names == ("o", "ki", "su")
    (folder / "labels.txt").write_text("o\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"labels\.txt' must name 3 classes, one a line. Received: 1"):
        load(folder)


def test_images_can_be_resized(tmp_path: Path) -> None:
    data = load(make_folder(tmp_path / "digits"), image_size=(10, 12))
    assert data.image_shape == (10, 12, 1)
    assert data.train.images([0, 5]).shape == (2, 10, 12, 1)


def test_a_dot_for_the_first_dash_is_read_too(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "digits", "")
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.replace("-idx", ".idx"))
    assert len(load(folder).test) == 12


def test_missing_file(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "digits")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold the four files .* Received: no t10k-labels-idx1-ubyte"):
        load(folder)


def test_images_and_labels_that_do_not_fit(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "digits")
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.zeros(59, np.uint8))
    with pytest.raises(ValueError, match=r"one label for each. Received: images of shape \(60, 5, 4\), .* \(59,\)"):
        load(folder)


def test_train_and_test_of_different_size(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "digits")
    write_idx(folder / "t10k-images-idx3-ubyte.gz", np.zeros((12, 4, 4), np.uint8))
    with pytest.raises(ValueError, match=r"must have one size. Received: train 60 images of 5x4, test 12 images of 4x4"):
        load(folder)


def test_too_few_for_a_validation_part(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "digits")
    write_idx(folder / "train-images-idx3-ubyte.gz", np.zeros((2, 5, 4), np.uint8))
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.arange(2, dtype=np.uint8))
    with pytest.raises(ValueError, match="at least two training examples of a class"):
        load(folder)
