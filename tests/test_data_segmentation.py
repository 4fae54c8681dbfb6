"""Images and masks, in every format, with every mistake."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import blobs
from atrous.data.masks import read_mask, to_palette_image, voc_palette
from atrous.data.segmentation import load_segmentation


def masks(split):
    return {split.name(i): split[i][1] for i in range(len(split))}


def test_the_palette_is_pascal_vocs():
    assert voc_palette(4) == ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0))
    assert voc_palette()[15] == (192, 128, 128)  # person
    assert voc_palette()[255] == (224, 224, 192)  # void


@pytest.mark.parametrize("make", [blobs.voc, blobs.folders, blobs.coco])
def test_each_format_gives_the_same_masks(tmp_path, make):
    if make is blobs.coco:
        pytest.importorskip("pycocotools")
    data = load_segmentation(make(tmp_path / "data"))
    truth = [mask for _, mask in blobs.draw(10)]
    named = {name: mask for part in (data.train, data.validation, data.test) for name, mask in masks(part).items()}
    assert len(named) == 10
    for name, mask in named.items():
        expected = truth[int(name.rpartition(".")[0][-2:].strip("/s") if "." in name else name[-2:])]
        # COCO's masks know no void; everywhere else they are equal.
        np.testing.assert_array_equal(np.where(expected == 255, mask, expected), mask)
    assert data.train.pixels[1] == sum((mask == 1).sum() for mask in masks(data.train).values())
    if make is not blobs.voc:
        assert data.class_names == blobs.NAMES


def test_voc_without_labels_has_its_own_names_and_val_is_the_test_part(tmp_path):
    data = load_segmentation(blobs.voc(tmp_path / "data"))
    assert data.class_names[:3] == ("background", "aeroplane", "bicycle")
    assert len(data.class_names) == len(data.palette) == 21
    assert sorted(masks(data.test)) == ["2007_008", "2007_009"]
    assert (len(data.train), len(data.validation)) == (7, 1)


def test_folders_are_divided_by_the_seed(tmp_path):
    folder = blobs.folders(tmp_path / "data", names=False)
    data = load_segmentation(folder, seed=3)
    assert (len(data.train), len(data.validation), len(data.test)) == (8, 1, 1)
    assert data.class_names == ("class 0", "class 1", "class 2")
    assert data.palette == voc_palette(3)
    assert masks(load_segmentation(folder, seed=3).test).keys() == masks(data.test).keys()
    assert len({name for seed in range(5) for name in masks(load_segmentation(folder, seed=seed).test)}) > 1


@pytest.mark.parametrize("outer", [True, False], ids=["train/images", "images/train"])
def test_parts_are_taken_as_they_are_given(tmp_path, outer):
    source = blobs.folders(tmp_path / "source")
    for part, numbers in (("train", range(5)), ("val", range(5, 7)), ("test", range(7, 10))):
        for kind, suffix in (("images", "jpg"), ("masks", "png")):
            place = tmp_path / "data" / (f"{part}/{kind}" if outer else f"{kind}/{part}")
            place.mkdir(parents=True)
            for i in numbers:
                shutil.copy(source / kind / f"{i:02}.{suffix}", place)
    data = load_segmentation(tmp_path / "data")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [5, 2, 3]


def test_a_file_of_coco_is_enough_and_crowds_are_void(tmp_path):
    pytest.importorskip("pycocotools")
    file = blobs.coco(tmp_path / "data") / "instances_train.json"
    content = json.loads(file.read_text())
    for instance in content["annotations"]:
        instance["iscrowd"] = int(instance["category_id"] == 7)
    file.write_text(json.dumps(content))
    data = load_segmentation(file)
    assert (len(data.train), len(data.validation), len(data.test)) == (7, 1, 2)
    assert set(np.unique(data.train[0][1])) == {0, 2, 255}


def test_images_of_any_size_and_gray_ones(tmp_path):
    folder = blobs.folders(tmp_path / "data")
    Image.new("L", (30, 20), 100).save(folder / "images" / "00.jpg")
    Image.new("L", (30, 20), 1).save(folder / "masks" / "00.png")
    data = load_segmentation(folder)
    found = {part.name(i): part[i] for part in (data.train, data.validation, data.test) for i in range(len(part))}
    image, mask = found["images/00.jpg"]
    assert (image.shape, mask.shape, mask.max()) == ((20, 30, 3), (20, 30), 1)


def test_rgb_masks_with_the_palettes_colours_are_labels(tmp_path):
    folder = blobs.folders(tmp_path / "data")
    expected = read_mask(folder / "masks" / "03.png", blobs.PALETTE)
    assert set(np.unique(expected)) == {0, 1, 2, 255}
    with Image.open(folder / "masks" / "03.png") as image:
        image.convert("RGB").save(folder / "masks" / "03.png")
    np.testing.assert_array_equal(read_mask(folder / "masks" / "03.png", blobs.PALETTE), expected)


def test_black_and_white_masks_are_one_class(tmp_path):
    folder = blobs.folders(tmp_path / "data", names=False)
    for file in (folder / "masks").iterdir():
        mask = read_mask(file, blobs.PALETTE)
        Image.fromarray(np.where(mask == 1, 255, 0).astype(np.uint8)).save(file)
    data = load_segmentation(folder)
    assert data.class_names == ("background", "foreground")
    assert set(np.unique(data.train[0][1])) == {0, 1}


def test_a_corrupt_image_is_left_out_with_its_name_or_fatal(tmp_path):
    folder = blobs.folders(tmp_path / "data")
    whole = (folder / "images" / "04.jpg").read_bytes()
    (folder / "images" / "04.jpg").write_bytes(whole[: len(whole) // 2])
    data = load_segmentation(folder)
    assert [name for name, _ in data.skipped] == ["images/04.jpg"]
    assert len(data.train) + len(data.validation) + len(data.test) == 9
    with pytest.raises(ValueError, match=r"04.jpg' must be a whole JPEG"):
        load_segmentation(folder, strict=True)


def damage(kind, folder):
    image, mask = folder / "images" / "05.jpg", folder / "masks" / "05.png"
    match kind:
        case "size":
            Image.new("P", (48, 40)).save(mask)
        case "label":
            to_palette_image(np.full((48, 48), 7, np.uint8), voc_palette()).save(mask)
        case "colour":
            Image.new("RGB", (48, 48), (1, 2, 3)).save(mask)
        case "no mask":
            mask.unlink()
        case "jpeg":
            mask.unlink()
            Image.new("L", (48, 48)).save(mask.with_suffix(".jpg"))
        case "deep":
            Image.fromarray(np.full((48, 48), 300, np.uint16)).save(mask)
        case "one image":
            for file in [*folder.glob("images/*"), *folder.glob("masks/*")]:
                if file.stem != "00":
                    file.unlink()
        case "no image":
            for file in [*folder.glob("images/*"), *folder.glob("masks/*")]:
                file.unlink()
        case "no folder":
            shutil.rmtree(folder / "masks")
        case "one class":
            (folder / "labels.txt").write_text("all\n")
    return image


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("size", r"mask of 'images/05.jpg' must have the size of the image, 48 × 48 .* Received: a mask of 40 × 48"),
        ("label", r"Labels of masks must be below 3, .* Received: 7 in 'images/05.jpg'.*labels.txt"),
        ("colour", r"05.png' must be a palette or gray image.*RGB image with 1 other colour\(s\), such as \(1, 2, 3\)"),
        ("no mask", r"Every image must have a mask.*05.png"),
        ("jpeg", r"05.jpg' must be a PNG: JPEG changes labels"),
        ("deep", r"05.png' must have one label a pixel.*values up to 300"),
        ("one image", r"`data` must have an image for each of train, validation, test. Received: 1 image"),
        ("no image", r"`data` must have an example in each part. Received: no image with a mask in the part 'train'"),
        ("no folder", r"must hold JPEGImages.*Received: images, labels.txt"),
        ("one class", r"Labels of masks must be below 1|at least two classes"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, kind, message):
    folder = blobs.folders(tmp_path / "data")
    damage(kind, folder)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load_segmentation(folder)


def test_an_empty_list_and_a_list_with_a_missing_name(tmp_path):
    folder = blobs.voc(tmp_path / "data")
    (folder / "ImageSets" / "Segmentation" / "val.txt").write_text("")
    with pytest.raises(ValueError, match="no image with a mask in the part"):
        load_segmentation(folder)
    (folder / "ImageSets" / "Segmentation" / "val.txt").write_text("2008_000\n")
    with pytest.raises(FileNotFoundError, match=r"2008_000"):
        load_segmentation(folder)


def test_coco_that_is_none(tmp_path):
    pytest.importorskip("pycocotools")
    folder = blobs.coco(tmp_path / "data")
    (folder / "instances_train.json").write_text("[]")
    with pytest.raises(ValueError, match="must be JSON with COCO's images"):
        load_segmentation(folder)
