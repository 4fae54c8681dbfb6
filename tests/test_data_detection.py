"""Images and boxes, in both formats, with every mistake."""

import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import toys
from atrous.data.boxes import ROUNDING, Objects, inside
from atrous.data.detection import load_detection

pytest.importorskip("pycocotools")


def named(data):
    """Image and objects of every example, by the file's stem."""
    parts = (data.train, data.validation, data.test)
    return {Path(part.name(i)).stem: part[i] for part in parts for i in range(len(part))}


def change(folder, edit, part="train"):
    file = folder / f"instances_{part}.json"
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("make", [toys.coco, toys.voc])
def test_each_format_gives_the_same_boxes(tmp_path, make):
    data = load_detection(make(tmp_path / "data"))
    found, truth = named(data), toys.draw(12)
    assert sorted(found) == [f"{i:02}" for i in range(12)]
    for i, (image, boxes, labels) in enumerate(truth):
        pixels, objects = found[f"{i:02}"]
        assert pixels.shape == image.shape
        np.testing.assert_array_equal(objects.boxes, boxes)
        np.testing.assert_array_equal(objects.labels, labels)
        np.testing.assert_array_equal(objects.areas, np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
        assert not objects.ignored.any()
    assert data.class_names == toys.NAMES
    assert data.category_ids == (toys.IDS if make is toys.coco else (1, 2))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [8, 1, 3]
    assert data.test.counts.tolist() == np.bincount(np.concatenate([truth[i][2] for i in (9, 10, 11)]), minlength=2).tolist()
    assert not data.skipped
    assert not data.mended


def test_a_box_has_the_pixels_of_what_is_in_it():
    for image, boxes, labels in toys.draw(6):
        for (left, top, right, bottom), label in zip(boxes.astype(int), labels, strict=True):
            rows, columns = np.nonzero((image[top:bottom, left:right] == toys.COLOURS[label]).all(-1))
            assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (0, bottom - top, 0, right - left)


def test_what_is_not_given_is_drawn_by_the_seed(tmp_path):
    folder = toys.voc(tmp_path / "data", lists=False)
    data = load_detection(folder, seed=4)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [10, 1, 1]
    assert data.test.name(0) == load_detection(folder, seed=4).test.name(0)
    assert len({load_detection(folder, seed=seed).test.name(0) for seed in range(6)}) > 1


def test_a_folder_a_part_and_a_single_file_are_cocos_too(tmp_path):
    source = toys.coco(tmp_path / "source")
    for part, old in (("train", "train"), ("valid", "val")):
        shutil.copytree(source / "images", tmp_path / "data" / part)
        shutil.copy(source / f"instances_{old}.json", tmp_path / "data" / part / "_annotations.coco.json")
    data = load_detection(tmp_path / "data")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [8, 1, 3]
    shutil.copy(source / "instances_train.json", source / "all.json")
    assert len(named(load_detection(source / "all.json"))) == 9


def test_classes_of_a_voc_folder_are_those_of_labels_txt_without_the_background(tmp_path):
    folder = toys.voc(tmp_path / "data")
    (folder / "labels.txt").write_text("background\nsquare\ndisk\ncat\n")
    data = load_detection(folder)
    assert data.class_names == ("square", "disk", "cat")
    assert data.train.counts[2] == 0


def test_crowds_and_difficult_objects_are_ignored_but_there(tmp_path):
    coco, voc = toys.coco(tmp_path / "coco"), toys.voc(tmp_path / "voc")
    change(coco, lambda content: content["annotations"][0].update(iscrowd=1))
    file = voc / "Annotations" / "01.xml"
    file.write_text(file.read_text().replace("<difficult>0", "<difficult>1", 1))
    for folder, crowds in ((coco, 1), (voc, 0)):
        objects = named(load_detection(folder))["01"][1]
        assert objects.ignored.tolist() == [True, False]
        assert objects.crowds.sum() == crowds
        assert len(objects.learned.labels) == 1


@given(
    st.lists(st.tuples(*[st.floats(-30, 60, width=32) | st.just(math.nan)] * 4), max_size=5),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_what_is_inside_the_image_is_kept(boxes, size):
    height, width = size
    objects = Objects.of([(box, i, "", None) for i, box in enumerate(boxes)])
    kept, out, without = inside(objects, size)
    expected = []
    stick = 0
    for i, (left, top, right, bottom) in enumerate(objects.boxes.tolist()):
        part = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        if not (right > left and bottom > top and part[2] > part[0] and part[3] > part[1]):
            continue
        expected.append((i, part))
        stick += max(-left, -top, right - width, bottom - height) > ROUNDING
    assert kept.labels.tolist() == [i for i, _ in expected]
    np.testing.assert_array_equal(kept.boxes, np.array([part for _, part in expected], np.float32).reshape(-1, 4))
    assert (out, without) == (stick, len(boxes) - len(expected))


def test_boxes_outside_the_image_are_mended_and_told_or_fatal(tmp_path):
    def edit(content):
        boxes = [annotation["bbox"] for annotation in content["annotations"]]
        boxes[0][:] = [-10, 5, 30, 20]  # sticks out
        boxes[1][:] = [80, 5, 30, 20]  # is outside
        boxes[2][2] = -4
        boxes[3][3] = math.nan
        boxes[4][:] = [-0.3, 5, 20, 20]  # rounding

    folder = change(toys.coco(tmp_path / "data"), edit)
    data = load_detection(folder)
    assert dict(data.mended) == {
        "01.jpg": "1 box sticks out of the image, 1 box has no area inside the image",
        "02.jpg": "2 boxes have no area inside the image",
    }
    np.testing.assert_array_equal(named(data)["01"][1].boxes, [[0, 5, 20, 25]])
    assert len(named(data)["02"][1].labels) == 0
    with pytest.raises(ValueError, match=r"Boxes must lie inside their image and have an area. Received: in '01.jpg' 1 box"):
        load_detection(folder, strict=True)


def test_a_corrupt_image_is_left_out_with_its_name_or_fatal(tmp_path):
    folder = toys.coco(tmp_path / "data")
    whole = (folder / "images" / "04.jpg").read_bytes()
    (folder / "images" / "04.jpg").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (60, 64)).save(folder / "images" / "06.jpg")
    data = load_detection(folder)
    assert [name for name, _ in data.skipped] == ["04.jpg", "06.jpg"]
    assert "must be a whole JPEG" in data.skipped[0][1]
    assert "must have the size that its annotation says, 64 × 64 (height × width). Received: an image of 64 × 60" in str(
        data.skipped[1][1]
    )
    assert len(named(data)) == 10
    with pytest.raises(ValueError, match=r"0[46].jpg' must"):
        load_detection(folder, strict=True)


def damage_coco(kind, folder):
    first = {
        "category": lambda content: content["annotations"][0].update(category_id=3),
        "bbox": lambda content: content["annotations"][0].pop("bbox"),
        "short bbox": lambda content: content["annotations"][0].update(bbox=[1, 2, 3]),
        "image": lambda content: content["annotations"][0].update(image_id=1),
        "names": lambda content: content["categories"].pop(),
        "empty": lambda content: content.update(annotations=[]),
        "images": lambda content: content.update(images=content["images"][:1], annotations=[]),
    }
    if kind in first:
        change(folder, first[kind], "val" if kind == "names" else "train")
    elif kind == "file":
        (folder / "images" / "03.jpg").unlink()
    elif kind == "json":
        (folder / "instances_train.json").write_text('{"images": [')
    elif kind == "list":
        (folder / "instances_train.json").write_text("[1, 2]")
    elif kind == "no train":
        (folder / "instances_train.json").unlink()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("category", r"Annotation 1 of '.*instances_train.json' must have a category that the file lists, one of \[7, 11\]"),
        ("bbox", r"Annotation 1 of '.*' must have a `bbox`, \[left, top, width, height\]. Received: bbox=None"),
        ("short bbox", r"Received: bbox=\[1, 2, 3\]"),
        ("image", r"must be of images that it lists. Received: image_id=1\."),
        ("names", r"instances_val.json' must have the categories of the other parts, \['disk', 'square'\]"),
        ("empty", "`data` must have boxes to learn from. Received: none in 8 training images"),
        ("images", "`data` must have an image for each of train, validation. Received: 1 image"),
        ("file", r"names an image that must lie in images.* Received: no file '03.jpg' there"),
        ("json", r"instances_train.json' must be JSON with COCO's images, categories and annotations"),
        ("list", r"instances_train.json' must be JSON with COCO's"),
        ("no train", "must have instances_train….json. Received: instances_val.json"),
    ],
)
def test_a_mistake_in_cocos_json_is_one_sentence(tmp_path, kind, said):
    folder = toys.coco(tmp_path / "data")
    damage_coco(kind, folder)
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        load_detection(folder)


def damage_voc(kind, folder):
    file = folder / "Annotations" / "01.xml"
    text = file.read_text()
    match kind:
        case "xml":
            file.write_text(text[:40])
        case "no file":
            file.unlink()
        case "no image":
            (folder / "JPEGImages" / "01.jpg").unlink()
        case "class":
            (folder / "labels.txt").write_text("disk\n")
        case "no box":
            file.write_text(text.replace("<xmin>", "<left>").replace("</xmin>", "</left>"))
        case "no name":
            file.write_text(text.replace("<name>disk</name>", "").replace("<name>square</name>", ""))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("xml", r"01.xml' must be an XML file as Pascal VOC has them"),
        ("no file", r"must have an image in JPEGImages and a file in Annotations. Received: no file '.*01.xml'"),
        ("no image", r"Received: no file '.*01.jpg'"),
        ("class", r"Classes in '.*xml' must be those of labels.txt, \['disk'\]. Received: 'square'"),
        ("no box", r"Every <object> of '.*01.xml' must have a <name> and a <bndbox> with xmin, ymin, xmax, ymax"),
        ("no name", r"Every <object> of '.*01.xml' must have a <name>"),
    ],
)
def test_a_mistake_in_vocs_xml_is_one_sentence(tmp_path, kind, said):
    folder = toys.voc(tmp_path / "data")
    damage_voc(kind, folder)
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        load_detection(folder)


def test_a_corner_that_is_no_number_is_a_box_without_an_area(tmp_path):
    folder = toys.voc(tmp_path / "data")
    file = folder / "Annotations" / "01.xml"
    file.write_text(file.read_text().replace("<xmin>", "<xmin>x", 1))
    assert load_detection(folder).mended == (("01", "1 box has no area inside the image"),)


def test_a_folder_of_something_else_is_said_to_be(tmp_path):
    with pytest.raises(FileNotFoundError, match="`data` must be a folder that exists"):
        load_detection(tmp_path / "nowhere")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"must hold JPEGImages and Annotations/\*.xml .* Received: notes.txt"):
        load_detection(tmp_path)
    with pytest.raises(ValueError, match=r"`data` must have the classes \['cat'\]. Received: \['disk', 'square'\]"):
        load_detection(toys.coco(tmp_path / "data"), class_names=["cat"])


@pytest.mark.skipif("ATROUS_DATA" not in os.environ, reason="ATROUS_DATA is not set: the folder with the published data sets")
def test_boxes_of_published_photographs_are_the_same_in_both_formats():
    folder = Path(os.environ["ATROUS_DATA"], "stamps")
    voc, coco = load_detection(folder), load_detection(folder / "instances_train.json")
    assert coco.class_names == voc.class_names
    for part in ("train", "validation", "test"):
        first, second = getattr(voc, part), getattr(coco, part)
        assert len(first) == len(second)
        for i in range(len(first)):
            assert Path(second.name(i)).stem == first.name(i)
            np.testing.assert_array_equal(first.objects(i).boxes, second.objects(i).boxes)
            np.testing.assert_array_equal(first.objects(i).labels, second.objects(i).labels)
