"""Segmentation from end to end on disks and squares: one run, which most tests look at."""

import json
import math
import re
import shutil
import sys

import keras
import numpy as np
import pytest
from PIL import Image

import atrous
import blobs
from atrous.cli import main
from atrous.data.masks import VOID, read_mask
from atrous.data.segmentation import load_segmentation
from atrous.recipes import find
from atrous.run import Run
from atrous.tasks.segmentation import network
from atrous.tasks.segmentation.batches import MaskBatches, cut
from atrous.tasks.segmentation.evaluation import Segmenter, evaluate
from atrous.tasks.segmentation.loss import SegmentationLoss, balanced, confusion, intersection_over_union
from atrous.tasks.segmentation.objects import extents
from atrous.tasks.segmentation.prediction import overlay
from atrous.tasks.sizes import Extent, by_size, reach_notes
from atrous.tasks.weights import size_inside

OPTIONS = {"epochs": 3, "batch_size": 4, "filters": 8, "rates": (1, 2), "learning_rate": 3e-3, "quiet": True}
SMALL = find("segmentation", "").replace({"filters": 8, "rates": (1, 2), "widths": (2, 2, 2, 4, 4, 8)})


def command(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["atrous", *map(str, words)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code, *capsys.readouterr()


@pytest.fixture(scope="module")
def data(once):
    def make(place):
        file = blobs.folders(place / "blobs", count=12) / "images" / "11.jpg"
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])

    return once("segmentation-data", make) / "blobs"


@pytest.fixture(scope="module")
def run(data, once):
    return Run(
        once("segmentation", lambda place: atrous.train("segmentation", data, output=place / "first", **OPTIONS)) / "first"
    )


def test_a_run_learns_and_says_how_well(run):
    assert run.metrics[-1]["loss"] < 0.9 * run.metrics[0]["loss"]
    assert set(run.metrics[0]) == {
        *("epoch", "loss", "mean_iou", "val_loss", "val_mean_iou", "learning_rate", "seconds"),
    }
    assert [row["learning_rate"] for row in run.metrics] == pytest.approx([3e-3 * (1 - i / 3) ** 0.9 for i in range(3)])
    assert run.config.class_names == blobs.NAMES
    assert run.config.palette == blobs.PALETTE
    assert run.config.skipped == ("images/11.jpg",)
    assert 0 < run.test["mean_iou"] <= 1


def test_the_test_is_what_a_count_by_hand_gives(run):
    model, split = run.load_model(), run.load_data().test
    hits, union, right, labelled = np.zeros(3), np.zeros(3), 0, 0
    for image, mask in (split[i] for i in range(len(split))):
        predicted = model.predict(image[None].astype("float32"), verbose=0)[0].argmax(-1)
        for label in range(3):
            true, said = (mask == label), (predicted == label) & (mask != VOID)
            hits[label] += (true & said).sum()
            union[label] += (true | said).sum()
        right += ((predicted == mask) & (mask != VOID)).sum()
        labelled += (mask != VOID).sum()
    assert [row["iou"] for row in run.test["classes"].values()] == pytest.approx((hits / union).tolist())
    assert run.test["mean_iou"] == pytest.approx((hits / union).mean())
    assert run.test["pixel_accuracy"] == pytest.approx(right / labelled)
    assert json.loads(json.dumps(atrous.evaluate(run))) == run.test


def test_other_data_must_have_the_same_classes(run, tmp_path):
    other = blobs.folders(tmp_path / "other", count=5)
    assert atrous.evaluate(run, other)["examples"] == 1
    (other / "labels.txt").write_text("background\ncircle\nsquare\n")
    with pytest.raises(
        ValueError, match=r"`data` must have the classes \['background', 'disk', 'square'\]. Received: .*circle"
    ):
        atrous.evaluate(run, other)


def test_the_model_knows_its_labels_and_takes_any_size(run):
    model = run.load_model()
    labels = model.get_layer("labels")
    assert (labels.class_names, labels.palette, labels.void) == (blobs.NAMES, blobs.PALETTE, 255)
    assert model(np.zeros((1, 40, 56, 3), "float32")).shape == (1, 40, 56, 3)


def test_several_scales_and_the_mirror_image_are_averaged(run):
    plain, several = atrous.evaluate(run), atrous.evaluate(run, scales=(1.0, 1.5), flip=True)
    assert several["scales"] == (1.0, 1.5)
    assert several["loss"] != plain["loss"]
    assert 0 < several["mean_iou"] <= 1
    x = keras.Input((None, None, 3))
    pointwise = keras.Model(x, keras.layers.Conv2D(3, 1)(x))
    images = np.random.default_rng(0).uniform(0, 1, (2, 6, 10, 3)).astype("float32")
    logits = np.asarray(pointwise(images))
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)  # a point sees no difference in a mirror
    np.testing.assert_allclose(np.exp(Segmenter(pointwise, 8, flip=True).scores(images)), expected, rtol=1e-5)
    np.testing.assert_allclose(Segmenter(pointwise, 8).scores(images), logits, rtol=1e-5, atol=1e-6)  # padded, cropped
    with pytest.raises(ValueError, match="`scales` must be"):
        Segmenter(pointwise, 8, scales=(0.0,))
    with pytest.raises(ValueError, match=r"Options of segmentation must be one of scales, flip here. Received: mirror=True"):
        atrous.evaluate(run, mirror=True)


def test_predict_writes_masks_with_a_palette_and_overlays(run, data, tmp_path):
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    Image.new("RGBA", (30, 21), (200, 40, 20, 255)).save(tmp_path / "in" / "deeper" / "a.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    found = atrous.predict(run, [data / "images" / "00.jpg", tmp_path / "in"], output=tmp_path / "out")
    assert [prediction.error is None for prediction in found] == [True, False, True]
    assert "broken.png" in found[1].error
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert written == ["masks/00.png", "masks/deeper/a.png", "overlays/00.jpg", "overlays/deeper/a.jpg"]
    with Image.open(tmp_path / "out" / "masks" / "deeper" / "a.png") as image:
        assert (image.mode, image.size) == ("P", (30, 21))
        assert tuple(image.getpalette()[3:6]) == blobs.PALETTE[1]
    mask = read_mask(tmp_path / "out" / "masks" / "00.png", blobs.PALETTE)
    (alone,) = atrous.predict(run, data / "images" / "00.jpg")
    np.testing.assert_array_equal(alone.labels, mask)
    assert sum(alone.classes.values()) == pytest.approx(1)
    json.dumps([prediction.to_json() for prediction in found])


def test_large_images_go_tile_by_tile_and_come_out_the_same(run):
    image = np.concatenate([image for image, _ in blobs.draw(4, side=40)], axis=1)
    segmenter = Segmenter(run.load_model(), 8)
    whole, tiled = segmenter.labels(image), segmenter.labels(image, tile=80)
    assert whole.shape == (40, 160)
    assert (whole != tiled).mean() < 1e-3  # where two classes are as likely, rounding decides


def test_photographs_far_larger_than_those_for_training_are_told_of_and_shrunk(run, tmp_path):
    large = Image.fromarray(blobs.draw(1, side=480)[0][0])
    large.save(tmp_path / "large.png")
    large.resize((40, 40), Image.Resampling.BILINEAR).save(tmp_path / "small.png")
    plain, shrunk = (atrous.predict(run, tmp_path / "large.png", longest=longest)[0] for longest in (None, 40))
    assert "as large as those for training" in plain.note
    assert "--longest" in plain.note
    assert (shrunk.note, shrunk.labels.shape) == (None, (480, 480))
    (alone,) = atrous.predict(run, tmp_path / "small.png", longest=40)
    np.testing.assert_array_equal(shrunk.labels[6::12, 6::12], alone.labels)
    with pytest.raises(ValueError, match=r"`longest` must be a positive integer. Received: longest=0"):
        atrous.predict(run, tmp_path / "small.png", longest=0)


def test_a_resumed_run_goes_on_and_is_compared(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("atrous.report.write", lambda run: run.report_file.write_text("report"))
    copy = Run(shutil.copytree(run.path, tmp_path / "copy"))
    longer = atrous.train(resume=copy, epochs=4, quiet=True)
    assert [row["epoch"] for row in longer.metrics] == [1, 2, 3, 4]
    assert longer.metrics[:3] == run.metrics
    code, out, _ = command(["compare", run.path, longer.path, "--output", tmp_path / "page.html"], monkeypatch, capsys)
    assert (code, out) == (0, f"{tmp_path / 'page.html'}\n")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.count("<img") == 4 * len(run.load_data().test)  # image, truth, and what each run says
    assert all(words in page for words in ("first", "copy", "test mean IoU", "square", "segmentation"))
    assert re.search(r"epochs</th>\s*<td class=\"n\">3</td>\s*<td class=\"n\">4</td>", page)


def test_the_page_has_the_task_in_pictures(run):
    page = run.report_file.read_text("utf-8")
    for words in (
        "Test mean IoU",
        "IoU of each class",
        "Mistakes",
        "What the network sees",
        "11.jpg",
        "1 file could not be read",
    ):
        assert words in page
    assert page.count("<img") == 4 * len(run.load_data().test)
    assert not re.search(r"@import|url\((?!#)|src=\"(?!data:)", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_without_dilation_it_is_the_same_network():
    undilated, dilated = (network.build(SMALL.replace({"rates": rates}), ("a", "b"), (), "float32") for rates in (1, (2, 4, 6)))
    assert [v.shape for v in undilated.variables] == [v.shape for v in dilated.variables]
    assert size_inside(undilated, "aspp") == size_inside(dilated, "aspp") == (32, 32)
    assert [atrous.field.analyze(model).features.local_size for model in (undilated, dilated)] == [(227, 227), (611, 611)]
    assert all(layer.dilation_rate in (1, (1, 1)) for layer in undilated._flatten_layers() if hasattr(layer, "dilation_rate"))


def test_dilated_net_and_its_rates():
    model = network.build(SMALL.replace({"network": "dilated-net", "rates": (2, 4, 6)}), ("a", "b"), (), "float32")
    plain = network.build(SMALL.replace({"network": "dilated-net", "rates": 1}), ("a", "b"), (), "float32")
    assert model(np.zeros((1, 40, 48, 3), "float32")).shape == (1, 40, 48, 2)
    assert model.count_params() == plain.count_params()


def test_fine_tuning_on_other_classes_keeps_everything_but_the_last_layer(run):
    recipe = find("segmentation", "").replace({"from_run": str(run.path), "freeze": "backbone"})
    assert (recipe.filters, recipe.rates) == (8, (1, 2))  # the network is the run's
    assert recipe.epochs == find("segmentation", "").epochs  # the training isn't
    model, source = network.build(recipe, ("a", "b", "c", "d"), (), "float32"), run.load_model()
    assert model.output_shape[-1] == 4
    for name in ("stem", "stage4_block2", "aspp", "decoder2"):
        for mine, theirs in zip(model.get_layer(name).get_weights(), source.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert not model.get_layer("stage4_block2").trainable
    assert model.get_layer("aspp").trainable
    with pytest.raises(ValueError, match=r"`weights` must be a .keras or .weights.h5 file"):
        network.build(SMALL.replace({"weights": "nowhere.keras"}), ("a", "b"), (), "float32")


def test_the_loss_is_cross_entropy_of_labelled_pixels():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 5, 6, 3)).astype("float32")
    labels = rng.choice([0, 1, 2, VOID], (2, 5, 6)).astype("uint8")
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    weights = np.array([1.0, 3.0, 0.5])
    terms = [(weights[label], -logs[i, y, x, label]) for (i, y, x), label in np.ndenumerate(labels) if label != VOID]
    assert float(SegmentationLoss()(labels, logits)) == pytest.approx(np.mean([term for _, term in terms]), rel=1e-5)
    weighted = sum(weight * term for weight, term in terms) / sum(weight for weight, _ in terms)
    loss = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(SegmentationLoss(weights)))
    assert float(loss(labels, logits)) == pytest.approx(weighted, rel=1e-5)
    assert float(SegmentationLoss()(np.full_like(labels, VOID), logits)) == 0.0


def test_rare_classes_count_more_but_not_without_end():
    assert balanced((1000, 500, 1, 0)) == (1.0, 2.0, 10.0, 10.0)


def test_intersection_over_union_is_kerass():
    rng = np.random.default_rng(0)
    labels, predicted = rng.choice([0, 1, 2, VOID], 500).astype("uint8"), rng.choice(3, 500)
    metric = keras.metrics.MeanIoU(3, ignore_class=VOID)
    metric.update_state(labels, predicted)
    iou = intersection_over_union(confusion(labels, predicted, 3))
    assert np.nanmean(iou) == pytest.approx(float(metric.result()), rel=1e-6)
    assert math.isnan(intersection_over_union(np.diag([3, 0]))[1])


class TestBatches:
    @pytest.fixture
    def split(self, data):
        return load_segmentation(data).train

    def test_they_depend_on_seed_epoch_and_example_alone(self, split):
        def batch(epoch, prefetch):
            batches = MaskBatches(split, 3, 5, (32, 40), ("scale", "crop", "flip", "colour"), (0.5, 2.0), prefetch)
            batches.epoch = epoch
            return [batches[i] for i in range(len(batches))]

        first, again, later = batch(1, 2), batch(1, 0), batch(2, 0)
        for (images, masks), (same_images, same_masks) in zip(first, again, strict=True):
            np.testing.assert_array_equal(masks, same_masks)
            np.testing.assert_array_equal(images, same_images)
        assert any(not np.array_equal(a[1], b[1]) for a, b in zip(first, later, strict=True))
        images, masks = first[0]
        assert (images.shape, images.dtype, masks.shape, masks.dtype) == ((3, 32, 40, 3), "float32", (3, 32, 40), "uint8")
        assert 0 <= images.min() <= images.max() <= 255

    def test_image_and_mask_move_together(self, split):
        # An image that is its mask must stay so, wherever both go; scaling blurs it only where labels meet.
        split._kept = {
            i: (np.repeat(100 * (mask[..., None] == 2), 3, -1).astype("uint8"), mask) for i, (_, mask) in split._kept.items()
        }
        moved = 0
        for augment in (("crop", "flip"), ("scale", "crop", "flip")):
            for images, masks in (MaskBatches(split, 4, 0, (40, 56), augment, (0.8, 1.6), 0)[i] for i in range(2)):
                right = (images[..., 0] > 50) == (masks == 2)
                assert right[masks != VOID].mean() > (0.999 if "scale" not in augment else 0.98)
                moved += (masks == 2).sum()
        assert moved > 1000

    def test_beyond_the_image_all_is_void(self):
        image, mask = np.full((4, 6, 3), 9, np.uint8), np.ones((4, 6), np.uint8)
        cut_image, cut_mask = cut(image, mask, (8, 4), None)
        assert (cut_image == 9).all()
        np.testing.assert_array_equal(cut_mask[:, 0], [255, 255, 1, 1, 1, 1, 255, 255])


def test_things_are_measured_by_size():
    mask, said = np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)
    mask[2:6, 3:15], mask[10, 10] = 1, 2
    said[2:6, 3:9] = 1
    (wide, point) = extents(mask, said)
    assert (wide.label, wide.size, wide.found, wide.iou) == (1, 12, 0.5, 0.5)
    assert (point.label, point.size, point.found) == (2, 1, 0.0)
    (row,) = by_size([wide, point])
    assert (row.name, row.least, row.most, row.count) == ("all", 1, 12, 2)


def test_a_field_is_told_of_where_it_doesnt_fit_what_is_to_be_found():
    things = [Extent(1, size, 0.5, 0.5) for size in (10, 12, 20, 30)]
    (small,) = reach_notes(things, (15, 15), True)
    assert small.startswith("50 % of what is to be found is larger than the field of 15 × 15 pixels: larger rates")
    (large,) = reach_notes(things, (400, 300), True)
    assert "smaller than 28 pixels, and the field has 400 × 300" in large
    assert (
        reach_notes(things, (400, 300), False) == reach_notes(things, (60, 60), True) == reach_notes([], (60, 60), True) == []
    )


def test_an_overlay_shows_the_image_through_and_leaves_the_background():
    image = np.full((6, 6, 3), 100, np.uint8)
    labels = np.zeros((6, 6), np.uint8)
    labels[1:5, 1:5] = 1
    mixed = overlay(image, labels, ((0, 0, 0), (128, 0, 0)))
    assert tuple(mixed[0, 0]) == (100, 100, 100)
    assert tuple(mixed[2, 2]) == (177, 50, 50)
    assert tuple(mixed[1, 1]) == (255, 255, 255)


def test_images_of_different_sizes_are_tested_whole():
    x = keras.Input((None, None, 3))
    brightness = keras.Model(x, keras.layers.Concatenate()([0 * x[..., :1] + 50, x[..., :1]]))  # class 1: brighter than 50

    class Pair:
        sizes = np.array([(5, 7), (12, 3), (5, 7)])
        masks = tuple(np.random.default_rng(i).integers(0, 2, size).astype(np.uint8) for i, size in enumerate(sizes))

        def __len__(self):
            return 3

        def __getitem__(self, i):
            return np.repeat(100 * self.masks[i][..., None], 3, -1), self.masks[i]

    result = evaluate(Segmenter(brightness, 8), Pair(), ("dark", "bright"), 2)
    assert result["mean_iou"] == result["pixel_accuracy"] == 1.0
    assert sum(map(sum, result["confusion"])) == 5 * 7 * 2 + 12 * 3


def test_the_command_line_reaches_the_task(run, data, tmp_path, monkeypatch, capsys):
    words = ["predict", run.path, data / "images" / "00.jpg", "--output", tmp_path / "out"]
    code, out, _ = command(words, monkeypatch, capsys)
    assert (code, json.loads(out)["mask"]) == (0, str(tmp_path / "out" / "masks" / "00.png"))
    asked = {}
    monkeypatch.setattr("atrous.workflow.train", lambda *words, **options: asked.update(options))
    choices = ["--crop-size", "32", "--scales", "0.5,2", "--no-augment", "--from", "runs/a", "--weights", "a.keras", "--strict"]
    assert command(["train", "segmentation", "--data", "x", *choices], monkeypatch, capsys)[0] == 0
    for name in ("output", "resume", "progress"):
        asked.pop(name)
    assert asked.pop("augment") == ()
    assert asked == {"crop_size": 32, "scales": (0.5, 2.0), "from_run": "runs/a", "weights": "a.keras", "strict": True}


def test_a_full_disk_says_how_to_go_on(run, monkeypatch, capsys):
    def full(*words, progress, **options):
        progress.run = run
        raise OSError(28, "No space left on device", "best.keras")

    monkeypatch.setattr("atrous.workflow.train", full)
    code, _, err = command(["train", "segmentation", "--data", "x"], monkeypatch, capsys)
    assert code == 2
    assert err.startswith("No space left on device: best.keras. No finished epoch is lost.")
    assert f"atrous train --resume {run.path}" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "segmentation"], "`data` must be a folder"),
        (["train", "segmentation", "--data", "nowhere"], "`data` must be a folder that exists"),
        (
            ["train", "segmentation", "--depth", "3"],
            "`--depth` must be an option of the task, segmentation. Received: an option of image",
        ),
        (["train", "--crop-size", "32"], "`--crop-size` must be an option of the task, image-classification"),
        (["train", "segmentation", "--data", "x", "--augment", "mirror"], "`augment` must be one of scale, crop, flip, colour"),
        (["train", "segmentation", "--data", "x", "--scales", "2,1"], "`scales` must be the least and the largest factor"),
        (["train", "segmentation", "--data", "x", "--from", "nowhere"], "`run` must be a folder that `atrous train` made"),
    ],
)
def test_a_mistake_on_the_command_line_gets_one_sentence(words, message, monkeypatch, capsys):
    code, out, err = command(words, monkeypatch, capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert message in err
