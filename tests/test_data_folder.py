import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atrous.data import Batches, Dataset, load
from atrous.data.folder import alike


def make_class(folder: Path, count: int, mode: str = "RGB", size: tuple[int, int] = (10, 8)) -> None:
    """Writes `count` PNGs of `size` (width, height) whose first pixel is their number."""
    folder.mkdir(parents=True)
    for i in range(count):
        Image.new(mode, size, i if mode == "L" else (i, 0, 0)).save(folder / f"{i:02}.png")


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    for name, count in (("cats", 10), ("dogs", 20), ("newts", 3)):
        make_class(tmp_path / "animals" / name, count)
    return tmp_path / "animals"


def names(data: Dataset) -> dict[str, list[str]]:
    splits = {part: getattr(data, part) for part in ("train", "validation", "test")}
    return {part: [split.name(i) for i in range(len(split))] for part, split in splits.items()}


def test_classes_are_the_sub_folders(animals: Path) -> None:
    data = load(animals)
    assert data.name == "animals"
    assert data.class_names == ("cats", "dogs", "newts")
    assert data.image_shape == (8, 10, 3)
    for split, counts in ((data.train, [8, 16, 1]), (data.validation, [1, 2, 1]), (data.test, [1, 2, 1])):
        assert np.bincount(split.labels).tolist() == counts
        for i in range(len(split)):
            class_name, file = split.name(i).split("/")
            assert data.class_names[split.labels[i]] == class_name
            assert split.images([i])[0, 0, 0, 0] == int(file[:2])


def test_parts_are_disjoint_complete_and_seeded(animals: Path) -> None:
    first, again, other = (names(load(animals, seed)) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    everything = [name for part in first.values() for name in part]
    assert len(everything) == len(set(everything)) == 33


def test_nothing_is_written(animals: Path) -> None:
    def listing() -> list[tuple[str, int, int]]:
        return sorted((str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in [animals, *animals.rglob("*")])

    before = listing()
    folders = [animals, *(path for path in animals.iterdir())]
    for path in folders:
        path.chmod(0o555)
    try:
        for _ in Batches(load(animals).train, 4, shuffle_seed=0):
            pass
    finally:
        for path in folders:
            path.chmod(0o755)
    assert listing() == before


def test_files_that_are_not_images_are_left_alone(animals: Path) -> None:
    before = names(load(animals))
    (animals / "README.md").touch()
    (animals / ".git").mkdir()
    (animals / "cats" / "Thumbs.db").touch()
    (animals / "cats" / "._00.png").write_bytes(b"not an image")
    (animals / "cats" / ".DS_Store").touch()
    (animals / "cats" / "folder.png").mkdir()
    assert names(load(animals)) == before


@pytest.mark.parametrize("validation", ["validation", "val", "valid", "Validation"])
def test_parts_that_are_given_as_folders(tmp_path: Path, validation: str) -> None:
    for part, count in (("train", 5), (validation, 2), ("test", 3)):
        for name in ("a", "b"):
            make_class(tmp_path / part / name, count)
    data = load(tmp_path)
    assert data.class_names == ("a", "b")
    assert (len(data.train), len(data.validation), len(data.test)) == (10, 4, 6)
    for part, prefix in (("train", "train/"), ("validation", f"{validation}/"), ("test", "test/")):
        assert all(name.startswith(prefix) for name in names(data)[part])


@pytest.mark.parametrize(
    ("given", "sizes"), [(["train"], (16, 2, 2)), (["train", "test"], (18, 2, 8)), (["train", "val"], (18, 8, 2))]
)
def test_parts_that_are_missing_are_taken_from_train(tmp_path: Path, given: list[str], sizes: tuple[int, ...]) -> None:
    for part in given:
        for name in ("a", "b"):
            make_class(tmp_path / part / name, 10 if part == "train" else 4)
    data = load(tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == sizes
    everything = [name for part in names(data).values() for name in part]
    assert len(everything) == len(set(everything))


def test_a_train_is_also_a_vehicle(tmp_path: Path) -> None:
    for name in ("bus", "train"):
        make_class(tmp_path / name, 4)
    assert load(tmp_path).class_names == ("bus", "train")


def test_a_class_may_be_missing_from_test(tmp_path: Path) -> None:
    for path in ("train/a", "train/b", "val/a", "val/b", "test/b"):
        make_class(tmp_path / path, 2)
    assert load(tmp_path).test.labels.tolist() == [1, 1]


def test_gray_images_have_one_channel(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_class(tmp_path / name, 3, "L")
    assert load(tmp_path).image_shape == (8, 10, 1)
    make_class(tmp_path / "c", 3, "RGB")
    data = load(tmp_path)
    assert data.image_shape == (8, 10, 3)
    assert data.train.images([0]).shape == (1, 8, 10, 3)


def test_the_default_size_is_the_median(tmp_path: Path) -> None:
    make_class(tmp_path / "a", 3, size=(10, 8))
    make_class(tmp_path / "b", 4, size=(30, 12))
    assert load(tmp_path).image_shape == (12, 30, 3)
    make_class(tmp_path / "c", 9, size=(400, 12))
    data = load(tmp_path)
    assert data.image_shape == (12, 224, 3)
    assert data.test.images([0, 1, 2]).shape == (3, 12, 224, 3)


@pytest.mark.parametrize(("image_size", "shape"), [(16, (16, 16, 3)), ((6, 9), (6, 9, 3))])
def test_image_size(animals: Path, image_size: int | tuple[int, int], shape: tuple[int, ...]) -> None:
    data = load(animals, image_size=image_size)
    assert data.image_shape == shape
    assert data.validation.images([1, 0]).shape == (2, *shape)
    assert data.validation.images([]).shape == (0, *shape)


def foreign(folder: Path) -> Path:
    path = folder / "07.png"
    path.write_bytes(b"<html>")
    return path


def truncated(folder: Path) -> Path:
    path = folder / "07.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    return path


def damaged_inside(folder: Path) -> Path:
    """Whole from its header to its end marker; what is between can't be decoded."""
    path = folder / "07.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    content = bytearray(path.read_bytes())
    scan = content.index(b"\xff\xda")
    content[scan + 2 : scan + 4] = b"\x00\x02"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("damage", [foreign, truncated, damaged_inside])
def test_a_file_that_cannot_be_read_is_left_out_and_named(animals: Path, damage) -> None:
    path = damage(animals / "dogs")
    data = load(animals)
    ((name, why),) = data.skipped
    assert name == f"dogs/{path.name}"
    assert f"{path.name}' must be a whole" in why
    everything = [each for part in names(data).values() for each in part]
    assert name not in everything
    assert len(everything) == (32 if damage is foreign else 33)  # 07.png was there before
    list(Batches(data.train, 8))
    with pytest.raises(ValueError, match=rf"dogs.{path.name}' must be a whole"):
        load(animals, strict=True)


def test_classes_too_small_to_be_tested_are_trained_on_and_named(tmp_path: Path) -> None:
    for name, count in (("cats", 1), ("dogs", 10), ("newts", 2)):
        make_class(tmp_path / name, count)
    data = load(tmp_path)
    assert np.bincount(data.train.labels).tolist() == [1, 8, 2]
    assert data.validation.labels.tolist() == data.test.labels.tolist() == [1]
    assert data.notes == (
        "Classes with too few images to be in validation or test: cats (1), newts (2). They are trained on, but it isn't known "
        "how well.",
    )
    with pytest.raises(ValueError, match=r"Each class must have at least 3 images.*Received: {'cats': 1, 'newts': 2}"):
        load(tmp_path, strict=True)


def test_what_is_left_alone_is_told(animals: Path) -> None:
    assert load(animals).notes == ()
    (animals / "cats" / "list.txt").touch()
    (animals / "cats" / ".DS_Store").touch()
    make_class(animals / "dogs" / "puppies", 2)
    assert load(animals).notes == (
        "1 file(s) that aren't images by name were left alone, such as 'cats/list.txt'.",
        "2 image(s) in folders inside a class were left alone, such as 'dogs/puppies/00.png'.",
    )


def test_classes_that_differ_in_case_only_are_told(tmp_path: Path) -> None:
    assert alike(("Cats", "cats", "dogs")) == ["'Cats' and 'cats' differ in case only, and are taken as 2 classes."]
    for name in ("Cats", "dogs"):
        make_class(tmp_path / name, 3)
    assert load(tmp_path).notes == ()


def test_a_run_s_channels_are_kept(animals: Path) -> None:
    data = load(animals, channels=1)
    assert data.image_shape == (8, 10, 1)
    assert data.test.images([0]).shape == (1, 8, 10, 1)


def test_images_are_cut_in_the_middle_and_in_training_anywhere(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(40, dtype=np.uint8)[None], (10, 40))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(4):
            Image.fromarray(ramp).save(tmp_path / name / f"{i}.png")
    data = load(tmp_path, image_size=10, resize="crop")
    middle = np.broadcast_to(ramp[:, 15:25, None], (2, 10, 10, 1))
    np.testing.assert_array_equal(data.test.images([0, 1]), middle)
    np.testing.assert_array_equal(data.test.images([0, 1], [0.0, 1.0])[:, 0, 0, 0], [0, 30])
    np.testing.assert_array_equal(next(iter(Batches(data.test, 2)))[0], middle)
    batches = Batches(data.train, 4, shuffle_seed=0)
    (first, _), (again, _) = batches[0], batches[0]
    np.testing.assert_array_equal(first, again)
    assert len({int(image[0, 0, 0]) for image in first}) > 1
    batches.epoch = 1
    assert np.any(batches[0][0] != first)
    assert load(tmp_path, image_size=10).test.images([0])[0, 0, -1, 0] > 35  # stretched: all of it


def test_a_photograph_that_is_damaged_later_is_named_when_it_is_read(animals: Path) -> None:
    data = load(animals)
    (animals / data.train.name(2)).write_bytes(b"")
    with pytest.raises(ValueError, match=rf"{data.train.name(2)}' must stay as it was while it is in use. Received: \w"):
        list(Batches(data.train, 4))
    (animals / data.train.name(2)).unlink()
    with pytest.raises(ValueError, match=r"must stay as it was.*No such file.*Bring it back"):
        list(Batches(data.train, 4))


def empty_class(folder: Path) -> None:
    (folder / "cats").mkdir()
    make_class(folder / "dogs", 3)


def one_class(folder: Path) -> None:
    make_class(folder / "cats", 3)


def no_class(folder: Path) -> None:
    Image.new("RGB", (4, 4)).save(folder / "cat.png")


def few_images(folder: Path) -> None:
    make_class(folder / "cats", 2)
    make_class(folder / "dogs", 1)


def all_damaged(folder: Path) -> None:
    (folder / "cats").mkdir()
    foreign(folder / "cats")
    make_class(folder / "dogs", 3)


def other_files(folder: Path) -> None:
    (folder / "cats").mkdir()
    (folder / "cats" / "1.tif").touch()
    make_class(folder / "dogs", 3)


def unknown_class(folder: Path) -> None:
    for path in ("train/a", "train/b", "test/a", "test/c"):
        make_class(folder / path, 3)


def empty_test(folder: Path) -> None:
    for path in ("train/a", "train/b"):
        make_class(folder / path, 3)
    (folder / "test").mkdir()


def two_validations(folder: Path) -> None:
    for path in ("train/a", "val/a", "validation/a"):
        make_class(folder / path, 3)


def nested(folder: Path) -> None:
    make_class(folder / "cats" / "siamese", 3)
    make_class(folder / "dogs", 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (empty_class, r"cats' must hold images .*Received: none"),
        (one_class, r"at least two classes. Received: 1 sub-folder\(s\) \['cats'\]"),
        (no_class, r"at least two classes. Received: 0 sub-folder\(s\) \[\]"),
        (few_images, r"At least one class must have at least 3 images, one for each of .*Received: {'cats': 2, 'dogs': 1}"),
        (all_damaged, r"cats' must hold images that can be read. Received: 1 file\(s\), all damaged"),
        (other_files, r"cats' must hold images .*none directly in it, but 1 other file\(s\), such as '1.tif'"),
        (unknown_class, r"test' must hold classes of the training part, \['a', 'b'\]. Received: \['c'\]"),
        (empty_test, "test' must hold one sub-folder of images a class. Received: no images"),
        (two_validations, "must hold each part once. Received: .*Rename"),
        (nested, r"cats' must hold images .*Received: none directly in it, but 3 in folders below, such as 'siamese/00.png'"),
    ],
)
def test_folders_that_are_refused(tmp_path: Path, make, message: str) -> None:
    make(tmp_path)
    with pytest.raises(ValueError, match=message):
        load(tmp_path)


def test_a_relative_folder_has_its_own_name(animals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(animals)
    assert load(".").name == "animals"
    assert load(f"cats{os.sep}..").name == "animals"
