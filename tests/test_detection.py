"""Detection from end to end on disks and squares: one run, which most tests look at."""

import json
import re
import shutil
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import atrous
import toys
from atrous import plots
from atrous.cli import main
from atrous.data.boxes import Objects
from atrous.data.detection import load_detection
from atrous.models import fcos
from atrous.models.fcos import Detections
from atrous.plots.style import FIRST
from atrous.recipes import find
from atrous.run import Run
from atrous.tasks.detection import network
from atrous.tasks.detection.batches import LEAST_LEFT, BoxBatches, cut, mirrored, resized
from atrous.tasks.detection.drawing import drawn
from atrous.tasks.detection.evaluation import Detector, balance, coco, figures
from atrous.tasks.detection.large import Padded
from atrous.tasks.detection.mistakes import judge, overlaps, tally
from atrous.tasks.weights import size_inside
from scenes import average_precision, overlap

pytest.importorskip("pycocotools")

OPTIONS = {"epochs": 2, "batch_size": 2, "filters": 8, "depth": 1, "learning_rate": 5e-3, "quiet": True}
SIZE = st.tuples(st.integers(1, 40), st.integers(1, 40))
SMALL = find("detection", "").replace({"filters": 8, "depth": 1})


def command(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["atrous", *map(str, words)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code, *capsys.readouterr()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = toys.coco(tmp_path_factory.mktemp("data") / "toys")
    (folder / "images" / "02.jpg").write_bytes(b"no image")
    content = json.loads((folder / "instances_train.json").read_text())
    content["annotations"][0]["bbox"][0] = -9
    (folder / "instances_train.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return atrous.train("detection", data, output=tmp_path_factory.mktemp("runs") / "first", **OPTIONS)


@pytest.fixture(scope="module")
def model(run):
    return run.load_model()


# ---- the run ---------------------------------------------------------------------------------------------------------------


def test_a_run_learns_and_says_how_well(run):
    assert run.metrics[-1]["classes_loss"] < 0.95 * run.metrics[0]["classes_loss"]
    assert list(run.metrics[0]) == [
        *("epoch", "loss", "val_loss", "val_ap", "boxes_loss", "centerness_loss", "classes_loss", "learning_rate", "seconds"),
    ]
    assert run.config.class_names == toys.NAMES
    assert run.config.category_ids == toys.IDS
    assert run.config.skipped == ("02.jpg",)
    assert run.config.mended == ("01.jpg",)
    assert run.test["objects"] == sum(len(run.load_data().test[i][1].labels) for i in range(3))
    assert json.loads(json.dumps(atrous.evaluate(run))) == run.test


def test_the_loss_of_the_test_is_that_of_training(run, model):
    split = run.load_data().test
    total = 0.0
    for image, objects in (split[i] for i in range(len(split))):
        targets = fcos.targets(objects.boxes, objects.labels, image.shape[:2], 2, 16)
        said = model(image[None].astype("float32"))
        total += sum(float(loss(targets[name][None], said[name])) for name, loss in fcos.LOSSES.items())
    assert run.test["loss"] == pytest.approx(total / len(split), rel=1e-4)


def test_other_data_must_have_the_same_classes(run, tmp_path):
    other = toys.voc(tmp_path / "other")
    assert atrous.evaluate(run, other)["examples"] == 3
    (other / "labels.txt").write_text("disk\nsquare\ncat\n")
    with pytest.raises(ValueError, match=r"`data` must have the classes \['disk', 'square'\]. Received: .*cat"):
        atrous.evaluate(run, other)


def test_predict_writes_boxes_and_overlays(run, data, tmp_path):
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    Image.new("RGBA", (30, 21), (200, 40, 20, 255)).save(tmp_path / "in" / "deeper" / "a.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    found = atrous.predict(run, [data / "images" / "01.jpg", tmp_path / "in"], output=tmp_path / "out", confidence=0.05)
    assert [prediction.error is None for prediction in found] == [True, False, True]
    assert "broken.png" in found[1].error
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert written == ["boxes.json", "overlays/01.jpg", "overlays/deeper/a.jpg"]
    results = json.loads((tmp_path / "out" / "boxes.json").read_text())
    assert [each["bbox"] for each in results if each["file_name"] == "01.jpg"] == [each["bbox"] for each in found[0].boxes]
    assert {(each["category_id"], each["category_name"]) for each in results} <= set(zip(toys.IDS, toys.NAMES, strict=True))
    assert {each["image_id"] for each in results} <= {1, 3}
    assert results
    (alone,) = atrous.predict(run, data / "images" / "01.jpg", confidence=0.05)
    assert alone.boxes == found[0].boxes
    scores = [each["score"] for each in alone.boxes]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 0.05
    json.dumps([prediction.to_json() for prediction in found])
    with pytest.raises(ValueError, match=r"must be one of confidence, tile, memory here\. Received: flip"):
        atrous.predict(run, data / "images" / "01.jpg", flip=True)


def test_large_images_go_tile_by_tile_and_come_out_the_same(model):
    image = np.concatenate([image for image, _, _ in toys.draw(6)[1:4]], axis=1)[:60, :186]
    detector = Detector(model, 16, 0.5)
    whole, tiled = detector.detections(image), detector.detections(image, tile=96)
    assert len(whole.scores) > 3
    np.testing.assert_allclose(tiled.boxes, whole.boxes, atol=1e-3)
    np.testing.assert_allclose(tiled.scores, whole.scores, atol=1e-5)
    np.testing.assert_array_equal(tiled.classes, whole.classes)


def test_a_file_larger_than_memory_gives_the_boxes_of_the_whole_image(run, tmp_path, monkeypatch, capsys):
    image = np.concatenate([image for image, _, _ in toys.draw(6)[1:4]], axis=1)[:60, :186]
    Image.fromarray(image).save(tmp_path / "wide.png")
    words = ["tile", run.path, "--input", tmp_path / "wide.png", "--output", tmp_path / "wide.json", "--tile", "96", "--json"]
    code, out, _ = command(words, monkeypatch, capsys)
    results = json.loads((tmp_path / "wide.json").read_text())
    (whole,) = atrous.predict(run, tmp_path / "wide.png")
    assert code == 0
    assert sum(json.loads(out)["found"].values()) == len(results) == len(whole.boxes)
    for mine, theirs in zip(results, whole.boxes, strict=True):
        assert mine["category_name"] == theirs["class"]
        assert [*mine["bbox"], mine["score"]] == pytest.approx([*theirs["bbox"], theirs["score"]], abs=0.02)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wide.json", "wide.png"]
    code, _, err = command([*words[:-4], tmp_path / "wide.png"], monkeypatch, capsys)
    assert (code, "`output` must be a .json file for boxes" in err) == (2, True)


@given(SIZE, st.integers(1, 16), st.tuples(*[st.integers(0, 40)] * 4))
def test_an_image_is_padded_where_it_is_asked(size, stride, sides):
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    whole = np.pad(image, [*((0, -n % stride) for n in size), (0, 0)], mode="edge")
    padded = Padded(image, stride)
    assert padded.shape == whole.shape
    rows, columns = (
        slice(min(a, n - 1), min(a, n - 1) + 1 + b) for a, b, n in zip(sides[:2], sides[2:], whole.shape, strict=False)
    )
    np.testing.assert_array_equal(padded[rows, columns], whole[rows, columns])


def test_runs_are_compared_on_the_same_images(run, tmp_path, monkeypatch, capsys):
    copy = Run(shutil.copytree(run.path, tmp_path / "copy"))
    code, out, _ = command(["compare", run.path, copy.path, "--output", tmp_path / "page.html"], monkeypatch, capsys)
    assert (code, out) == (0, f"{tmp_path / 'page.html'}\n")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.count("<img") == 3 * len(run.load_data().test)  # truth, and what each run says
    assert all(words in page for words in ("first", "copy", "test AP", "square", "found,"))


def test_the_page_has_the_task_in_pictures(run):
    page = run.report_file.read_text("utf-8")
    for words in (
        *(
            "Test AP50",
            "AP of each class",
            "Missed: ",
            "Invented: ",
            "What the network sees",
            "02.jpg",
            "1 image could not be read",
        ),
        *("1 image had boxes that were mended: 01.jpg", "01.jpg: 1 box sticks out of the image"),
    ):
        assert words in page
    assert page.count("<img") in (6, 9)  # an image with nothing in it and nothing said says nothing
    assert not re.search(r"@import|url\((?!#)|src=\"(?!data:)", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


# ---- the network -----------------------------------------------------------------------------------------------------------


def test_without_dilation_it_is_the_same_network():
    undilated, dilated = (network.build(SMALL.replace({"rates": rates}), ("a", "b"), "float32") for rates in (1, (1, 2)))
    assert [v.shape for v in undilated.variables] == [v.shape for v in dilated.variables]
    assert size_inside(undilated, "project") == size_inside(dilated, "project") == (16, 16)
    seen = [atrous.field.analyze(network.one_map(model)).output.local_size for model in (undilated, dilated)]
    assert seen[0][0] < seen[1][0]
    every = [layer for layer in undilated._flatten_layers() if hasattr(layer, "dilation_rate")]
    assert every
    assert all(layer.dilation_rate in (1, (1, 1)) for layer in every)


def test_the_model_knows_its_classes_and_takes_any_size(model):
    assert model.get_layer("labels").class_names == toys.NAMES
    assert model(np.zeros((1, 40, 56, 3), "float32"))["boxes"].shape == (1, 3, 4, 4)


def test_fine_tuning_on_other_classes_keeps_everything_but_the_last_layer(run, model):
    recipe = find("detection", "").replace({"from_run": str(run.path), "freeze": "backbone"})
    assert (recipe.filters, recipe.depth) == (8, 1)
    tuned = network.build(recipe, ("a", "b", "c"), "float32")
    assert tuned.output["classes"].shape[-1] == 3
    for name in ("stem", "stage4_block2", "project", "box_tower1", "box_strides"):
        for mine, theirs in zip(tuned.get_layer(name).get_weights(), model.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert not tuned.get_layer("stage4_block2").trainable
    assert tuned.get_layer("project").trainable


# ---- boxes move with the image ---------------------------------------------------------------------------------------------

SIDES = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30), st.integers(1, 30))


def painted(boxes, size):
    """An image whose pixels in box i have bit i set."""
    image = np.zeros((*size, 3), np.uint8)
    for i, (left, top, right, bottom) in enumerate(boxes):
        image[top:bottom, left:right] |= 1 << i
    return image


@given(st.lists(SIDES, max_size=4), SIZE, SIZE, st.none() | st.integers(0, 9), st.booleans())
def test_a_box_keeps_the_pixels_of_what_is_in_it(sides, size, window, seed, mirror):
    boxes = [(min(x, size[1] - 1), min(y, size[0] - 1), min(x + w, size[1]), min(y + h, size[0])) for x, y, w, h in sides]
    image, moved = painted(boxes, size), np.array(boxes, np.float32).reshape(-1, 4)
    if mirror:
        image, moved = mirrored(image, moved)
    draw = None if seed is None else np.random.default_rng(seed)
    piece, found, left = cut(image, moved, window, draw)
    assert piece.shape == (*window, 3)
    for i, ((x0, y0, x1, y1), box) in enumerate(zip(found.astype(int), boxes, strict=True)):
        area = max(0, x1 - x0) * max(0, y1 - y0)
        assert left[i] == (area >= LEAST_LEFT * (box[2] - box[0]) * (box[3] - box[1]))
        has_bit = piece[..., 0] >> i & 1
        assert has_bit[y0:y1, x0:x1].all()
        touches = x0 == 0 or y0 == 0 or x1 == window[1] or y1 == window[0]
        beyond = min(box[:2]) == 0 or box[2] == size[1] or box[3] == size[0]  # there the edge is repeated
        if area and not touches and not beyond:
            assert has_bit.sum() == area


def test_scaling_moves_sides_by_the_ratio_of_whole_pixels():
    image, boxes = np.zeros((50, 30, 3), np.uint8), np.array([[3, 5, 30, 50]], np.float32)
    scaled, moved = resized(image, boxes, 1.55)
    assert scaled.shape == (78, 46, 3)
    np.testing.assert_allclose(moved, [[3 * 46 / 30, 5 * 78 / 50, 46, 78]], rtol=1e-6)


class TestBatches:
    @pytest.fixture
    def split(self, data):
        return load_detection(data).train

    def test_they_depend_on_seed_epoch_and_example_alone(self, split):
        def batch(epoch, prefetch):
            augment = ("scale", "crop", "flip", "colour")
            batches = BoxBatches(split, 3, 5, (48, 64), 2, 8, augment, (0.5, 2.0), prefetch)
            batches.epoch = epoch
            return [batches[i] for i in range(len(batches))]

        first, again, later = batch(1, 2), batch(1, 0), batch(2, 0)
        for (images, targets), (same_images, same_targets) in zip(first, again, strict=True):
            np.testing.assert_array_equal(images, same_images)
            for name, each in targets.items():
                np.testing.assert_array_equal(each, same_targets[name])
        assert any(not np.array_equal(a[0], b[0]) for a, b in zip(first, later, strict=True))
        images, targets = first[0]
        assert (images.shape, images.dtype) == ((3, 48, 64, 3), "float32")
        assert {name: each.shape for name, each in targets.items()} == {
            "classes": (3, 6, 8, 2),
            "boxes": (3, 6, 8, 4),
            "centerness": (3, 6, 8, 1),
        }
        assert 0 <= images.min() <= images.max() <= 255

    def test_what_is_learned_at_a_location_is_what_is_seen_there(self, split):
        batches = BoxBatches(split, 8, 0, (64, 64), 2, 8, ("scale", "crop", "flip"), (0.8, 1.6), 0)
        images, targets = batches[0]
        places = np.argwhere(targets["classes"].max(-1) > 0)
        assert len(places) > 20
        right = 0
        for b, i, j in places:
            label = int(targets["classes"][b, i, j].argmax())
            near = min(targets["boxes"][b, i, j])
            pixel = images[b, 4 + 8 * i, 4 + 8 * j]
            right += np.abs(pixel - toys.COLOURS[label]).max() < 60 if near > 4 else 1  # a disk's corners are noise
        assert right / len(places) > 0.9


# ---- figures ---------------------------------------------------------------------------------------------------------------


def objects(boxes, labels=None, kinds=None, area=None):
    labels, kinds = labels or [0] * len(boxes), kinds or [""] * len(boxes)
    return Objects.of([(box, label, kind, area) for box, label, kind in zip(boxes, labels, kinds, strict=True)])


def said(boxes, scores, labels=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(boxes, np.array(scores, np.float32), np.array(labels or [0] * len(boxes), np.int64))


A, B, C, D = (0, 0, 40, 40), (50, 50, 90, 90), (100, 0, 140, 40), (10, 50, 30, 70)


def test_average_precision_is_that_of_a_count_by_hand():
    found = figures([objects([A, B])], [said([A, C, B], [0.9, 0.8, 0.7])], ["x"], 0.75)
    # Precision is 1 up to a recall of 0.5, and 2/3 up to 1, at each of 101 recalls.
    expected = (51 + 50 * 2 / 3) / 101
    assert [found[name] for name in ("ap", "ap50", "ap75", "ap_medium")] == pytest.approx([expected] * 4)
    assert (found["ap_small"], found["ap_large"]) == (None, None)
    assert (found["precision"], found["recall"], found["boxes"], found["objects"]) == (0.5, 0.5, 2, 2)
    assert found["ar100"] == 1.0


def test_a_looser_box_counts_at_fewer_overlaps():
    loose = (0, 0, 40, 25)  # 0.625 of A
    found = figures([objects([A])], [said([loose], [0.9])], ["x"], 0.5)
    assert (found["ap"], found["ap50"], found["ap75"]) == pytest.approx((0.3, 1.0, 0.0))  # 0.5, 0.55, 0.6 of ten


def test_what_is_ignored_is_neither_right_nor_wrong():
    truth = objects([A, B, D], kinds=["", "difficult", "crowd"])
    inside_crowd = [(10, 50, 20, 60), (20, 60, 30, 70)]
    found = figures([truth], [said([B, *inside_crowd, A], [0.9, 0.8, 0.7, 0.6])], ["x"], 0.5)
    assert [found[name] for name in ("ap", "precision", "recall", "objects")] == pytest.approx([1, 1, 1, 1])


def test_classes_are_told_apart_and_absent_ones_have_no_figure():
    truth = [objects([A, B], [0, 1]), objects([], [])]
    found = figures(truth, [said([A, B], [0.9, 0.8], [0, 0]), said([C], [0.95], [0])], ["x", "y", "z"], 0.5)
    assert found["classes"]["x"]["ap50"] == pytest.approx(0.5)  # behind the one in the empty image
    assert found["classes"]["y"]["ap50"] == 0.0
    assert found["classes"]["z"]["ap50"] is None
    assert found["ap50"] == pytest.approx(0.25)
    nothing = figures([objects([])], [said([], [])], ["x"], 0.5)
    assert (nothing["ap"], nothing["ap50"], nothing["precision"], nothing["recall"]) == (0.0, None, None, None)


@given(st.integers(0, 10_000))
def test_ap50_is_the_area_below_precision_over_recall(seed):
    draw = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(3):
        corners = draw.uniform(0, 100, (4, 2))
        boxes = np.concatenate([corners, corners + draw.uniform(20, 60, (4, 2))], axis=-1).astype(np.float32)
        truth.append(objects(boxes[:3].tolist(), draw.integers(0, 2, 3).tolist()))
        moved = boxes + draw.normal(0, 6, boxes.shape)
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        found.append(said(moved, np.sort(draw.permutation(100)[:4] / 100)[::-1], draw.integers(0, 2, 4).tolist()))
    scores = np.concatenate([each.scores for each in found])
    if len(set(scores.tolist())) < len(scores):
        return  # of equal scores the order isn't told
    mine = figures(truth, found, ["x", "y"], 0.5)["ap50"]
    theirs = average_precision(found, [t.boxes for t in truth], [t.labels for t in truth], 0.5)
    assert mine == pytest.approx(theirs, abs=0.02 + 1e-6)  # at 101 recalls instead of every one


def test_the_best_balance_is_that_of_trying_every_score():
    truth, found = [objects([A, B, C])], [said([A, D, B, (200, 0, 240, 40)], [0.9, 0.8, 0.7, 0.6])]
    score, precision, recall = balance(coco(truth, found, 1))
    assert (score, precision, recall) == pytest.approx((0.7, 2 / 3, 2 / 3))
    assert balance(coco(truth, [said([D], [0.9])], 1)) is None


def test_mistakes_are_told_by_their_kind():
    far = (300, 300, 340, 340)
    truth = objects([A, B, C, far], [0, 0, 1, 0])
    loose = (50, 50, 90, 65)
    verdict = judge(truth, said([A, (2, 0, 42, 40), loose, C, (500, 0, 520, 20)], [0.9, 0.8, 0.7, 0.6, 0.5], [0, 0, 0, 0, 0]))
    assert verdict.hits.tolist() == [0, -1, -1, -1, -1]
    assert verdict.invented == ("", "twice", "place", "class", "nothing")
    assert verdict.missed == ("", "place", "class", "unseen")
    assert verdict.f1 == pytest.approx(2 / (2 + 4 + 3))
    assert verdict.ious.tolist() == pytest.approx([1, 0.375, 0, 0])
    invented, missed = tally([verdict, judge(objects([A], kinds=["difficult"]), said([A], [0.9]))])
    assert (sum(invented.values()), sum(missed.values())) == (4, 3)
    assert judge(objects([]), said([], [])).f1 == 1.0
    np.testing.assert_allclose(
        overlaps(np.array([A, B]), np.array([B, loose])), [[overlap(a, b) for b in (B, loose)] for a in (A, B)]
    )


def test_precision_over_recall_is_drawn_with_its_mean():
    axes = plots.precision_recall({"x": [1.0, 0.5, 0.0], "y": [0.5, 0.5, 0.5]}, colors={"x": "#ff0000"}, point=(0.5, 0.4))
    drawn_lines = {line.get_color(): line.get_ydata().tolist() for line in axes.lines if len(line.get_ydata()) == 3}
    assert drawn_lines["#ff0000"] == [1.0, 0.5, 0.0]
    assert drawn_lines[FIRST] == [0.75, 0.5, 0.25]
    with pytest.raises(ValueError, match="`curves` must have at least one curve, all of one length"):
        plots.precision_recall({"x": [1.0], "y": [1.0, 0.5]})


def test_an_overlay_frames_what_was_found_and_leaves_the_rest():
    image = np.full((120, 160, 3), 100, np.uint8)
    picture = drawn(image, said([(40, 60, 120, 110)], [0.5]), ["x"])
    assert picture.shape == image.shape
    np.testing.assert_array_equal(picture[70:100, 50:110], image[70:100, 50:110])
    assert (picture[60, 60:120] != image[60, 60:120]).any(-1).all()
    assert (picture[:40] == image[:40]).all()


# ---- the command line ------------------------------------------------------------------------------------------------------


def test_the_command_line_reaches_the_task(run, data, tmp_path, monkeypatch, capsys):
    words = ["predict", run.path, data / "images" / "01.jpg", "--output", tmp_path / "out", "--confidence", "0.05"]
    code, out, _ = command(words, monkeypatch, capsys)
    told = json.loads(out)
    assert (code, told["overlay"]) == (0, str(tmp_path / "out" / "overlays" / "01.jpg"))
    assert sum(told["found"].values()) == len(told["boxes"]) > 0
    asked = {}
    monkeypatch.setattr("atrous.workflow.train", lambda *words, **options: asked.update(options))
    choices = ["--crop-size", "32", "--scales", "0.5,2", "--no-augment", "--confidence", "0.2", "--overlap", "0.4"]
    assert command(["train", "detection", "--data", "x", *choices], monkeypatch, capsys)[0] == 0
    for name in ("output", "resume", "progress"):
        asked.pop(name)
    assert asked == {"crop_size": 32, "scales": (0.5, 2.0), "augment": (), "confidence": 0.2, "overlap": 0.4}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "detection"], "`data` must be a folder"),
        (["train", "detection", "--data", "nowhere"], "`data` must be a folder that exists"),
        (
            ["train", "detection", "--widths", "3"],
            "`--widths` must be an option of the task, detection. Received: an option of",
        ),
        (["train", "detection", "--data", "x", "--augment", "turn"], "`augment` must be one of scale, crop, flip, colour"),
        (["train", "detection", "--data", "x", "--scales", "2,1"], "`scales` must be the least and the largest factor"),
        (["train", "detection", "--data", "x", "--overlap", "1"], "`overlap` must be between 0 and 1. Received: overlap=1.0"),
        (["train", "detection", "--data", "x", "--confidence", "0"], "`confidence` must be between 0 and 1"),
    ],
)
def test_a_mistake_on_the_command_line_gets_one_sentence(words, message, monkeypatch, capsys):
    code, out, err = command(words, monkeypatch, capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert message in err


def test_strict_ends_at_the_first_bad_file(data, monkeypatch, capsys):
    code, _, err = command(["train", "detection", "--data", data, "--strict"], monkeypatch, capsys)
    assert code == 2
    assert re.search(r"02.jpg' must be a whole JPEG|in '01.jpg' 1 box sticks out", err)
