import gzip
import urllib.error
from pathlib import Path

import keras
import numpy as np
import pytest

import atrous.data
from atrous.data import BUILT_IN, load
from atrous.data.idx import FASHION_CLASSES

BUNDLED = Path(atrous.data.__file__).parent / "fashion_mnist"


def no_network(*args: object, **kwargs: object) -> None:
    raise urllib.error.URLError("no route to host")


def test_fashion_mnist_comes_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", no_network)
    data = load("fashion-mnist")
    assert data.name == "fashion-mnist"
    assert data.class_names == FASHION_CLASSES
    assert data.image_shape == (28, 28, 1)
    assert np.bincount(data.train.labels).tolist() == [990] * 10
    assert np.bincount(data.validation.labels).tolist() == [110] * 10
    assert np.bincount(data.test.labels).tolist() == [200] * 10


def test_the_bundled_images_are_photographs_of_clothes() -> None:
    data = load("fashion-mnist")
    images = data.train.images(range(len(data.train)))
    assert 60 < images.mean() < 90  # the published set's mean is 72.9
    trousers, bags = (images[data.train.labels == FASHION_CLASSES.index(name)] for name in ("Trouser", "Bag"))
    middle = (slice(None), slice(14, 28), slice(0, 6))  # beside the legs there is nothing, a bag is wide
    assert trousers[middle].mean() < 20 < 60 < bags[middle].mean()


def test_the_bundled_files_are_small_and_licensed() -> None:
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) < 6_000_000
    assert "Copyright © 2017 Zalando SE" in (BUNDLED / "LICENSE").read_text(encoding="utf-8")
    assert "1708.07747" in (BUNDLED / "README.md").read_text(encoding="utf-8")
    for path in BUNDLED.glob("*.gz"):
        with gzip.open(path) as file:
            assert file.read(3) == b"\0\0\x08"


@pytest.mark.parametrize(
    ("name", "module", "expected"),
    [
        ("cifar10", keras.datasets.cifar10, "data_batch_1.bin"),
        ("fashion-mnist-full", keras.datasets.fashion_mnist, "train-images-idx3-ubyte.gz"),
    ],
)
def test_a_failed_download_names_the_folder_option(name: str, module, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load_data", no_network)
    with pytest.raises(ConnectionError, match=rf"{name}.*no route to host.*`source` .`--data`. a folder") as caught:
        load(name)
    assert expected in str(caught.value)


def test_names_that_keras_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.arange(40, dtype=np.uint8) % 10
    gray, colour = np.zeros((40, 28, 28), np.uint8), np.zeros((40, 32, 32, 3), np.uint8)
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", lambda: ((gray, y), (gray, y)))
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: ((colour, y[:, None]), (colour, y[:, None])))
    assert load("fashion-mnist-full").image_shape == (28, 28, 1)
    cifar = load("cifar10")
    assert cifar.image_shape == (32, 32, 3)
    assert cifar.class_names[6] == "frog"
    np.testing.assert_array_equal(cifar.test.labels, y)


def test_channels_first_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.arange(40, dtype=np.uint8) % 10
    planes = np.zeros((40, 3, 32, 32), np.uint8)
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: ((planes, y[:, None]), (planes, y[:, None])))
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    assert load("cifar10").image_shape == (32, 32, 3)


def test_unknown_source() -> None:
    with pytest.raises(FileNotFoundError, match=r"`source` must be one of fashion-mnist, .* Received: source='imagenet'"):
        load("imagenet")


def test_a_file_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").touch()
    with pytest.raises(ValueError, match=r"`source` must be a folder. Received: source='.*cat\.jpg', a file"):
        load(tmp_path / "cat.jpg")


@pytest.mark.parametrize("image_size", [0, -3, (4, 0)])
def test_image_size_must_be_positive(image_size: int | tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"`image_size` must be positive. Received: image_size="):
        load("fashion-mnist", image_size=image_size)


def test_seed_must_not_be_negative() -> None:
    with pytest.raises(ValueError, match=r"`seed` must not be negative. Received: seed=-1"):
        load("fashion-mnist", seed=-1)


def test_a_path_is_never_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "cifar10" in BUILT_IN
    with pytest.raises(FileNotFoundError):
        load(Path("cifar10"))
