"""Image classification on a user's own folder: networks, what they begin with, preprocessing, predictions, mistakes."""

import csv
import json

import keras
import numpy as np
import pytest
from PIL import Image

import atrous
import shapes
from atrous import tasks
from atrous.callbacks import Record
from atrous.data import Batches, load, read_image
from atrous.run import Run
from atrous.tasks.classes import balanced
from atrous.tasks.image_classification import network
from atrous.tasks.image_classification.recipe import AUGMENTATIONS, ImageClassification

SMALL = {"epochs": 1, "batch_size": 8, "depth": 0, "reduction": 0, "head": "average", "quiet": True}
EVERYTHING = {
    **SMALL,
    **{
        "epochs": 2,
        "decay": "none",
        "augment": AUGMENTATIONS,
        "class_weights": "balanced",
        "resize": "crop",
        "image_size": (12, 16),
    },
}


@pytest.fixture(scope="module", autouse=True)
def plain_report():
    """A report takes as long as the rest of a small run; `test_the_page_…` makes the one that is looked at here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("atrous.report.write", lambda run: run.report_file.write_text("report"))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Unbalanced: one class has three examples, another two, which aren't tested; a file is damaged."""
    folder = shapes.make(tmp_path_factory.mktemp("data") / "shapes", 12)
    for number in range(3, 12):
        (folder / "stripes" / f"{number}.png").unlink()
    (folder / "rare").mkdir()
    for number in (0, 1):
        Image.new("L", (16, 16), 90).save(folder / "rare" / f"{number}.png")
    (folder / "disk" / "broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return atrous.train(data=data, output=tmp_path_factory.mktemp("runs") / "run", **EVERYTHING)


def recipe(**options) -> ImageClassification:
    return ImageClassification(name="", epochs=1, **options)


def rates(model: keras.Model) -> set[int]:
    return {rate for layer in model._flatten_layers() for rate in np.ravel(getattr(layer, "dilation_rate", 1)).tolist()}


def test_a_backbone_with_and_without_dilation_on_gray_images(tmp_path):
    models = {
        name: network.build(
            recipe(backbone="resnet_14_small", output_stride=8, augment=AUGMENTATIONS, rates=rate),
            (32, 40, 1),
            ("a", "b"),
            "float32",
        )
        for name, rate in (("dilated", 2), ("plain", 1))
    }
    dilated, plain = models["dilated"], models["plain"]
    assert rates(dilated) == {1, 2, 4}
    assert rates(plain) == {1}
    assert dilated.count_params() == plain.count_params()
    for model in models.values():
        assert model.get_layer("average").input.shape == (None, 4, 5, 128)
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 40, 1)).astype("float32")
    expected = dilated.predict_on_batch(images)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
    dilated.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict_on_batch(images), expected)
    assert loaded.get_layer("labels").class_names == ("a", "b")


def test_preprocessing_of_a_published_backbone_is_inside():
    """Pixels in, and what `preprocess_input` and the network make of them out."""
    model = network.build(recipe(backbone="MobileNet", output_stride=16), (32, 32, 3), ("a", "b"), "float32")
    own = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3))
    inner = keras.Model(model.input, model.get_layer("average").input)
    own.set_weights(inner.get_weights())
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    expected = own.predict_on_batch(keras.applications.mobilenet.preprocess_input(images.copy()))
    found = inner.predict_on_batch(images)
    assert found.shape[1:3] == (2, 2)
    np.testing.assert_allclose(found[:, ::2, ::2], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnet_18", "depth": 3}, "`depth` must be left out with `backbone`.*depth=3 with backbone='resnet_18'"),
        ({"backbone": "resnet_18", "head": "flatten"}, "`head` must be left out with `backbone`"),
        ({"backbone": "resnet_18", "rates": (2, 4)}, "`rates` must be 1, or left out, with `backbone`"),
        ({"backbone": "resnet_18", "weights": "imagenet"}, "`weights` must be None or a file for a built-in backbone"),
        ({"backbone": "drn_d_22", "output_stride": 16}, "`output_stride` must be 8, or left out, with a DRN"),
        ({"output_stride": 8}, "`output_stride=8` must come with a `backbone`"),
        ({"weights": "imagenet"}, "`weights='imagenet'` must come with a `backbone`"),
        ({"resize": "squeeze"}, "`resize` must be one of stretch, crop"),
        ({"class_weights": "some"}, "`class_weights` must be one of none, balanced"),
    ],
)
def test_choices_that_do_not_go_together(options, message):
    with pytest.raises(ValueError, match=message):
        recipe(**options)


def test_a_backbone_that_cannot_take_the_images_says_so():
    with pytest.raises(ValueError, match=r"`image_size` must be one that InceptionV3 takes. Received: 32 × 32: .*75x75"):
        network.build(recipe(backbone="InceptionV3"), (32, 32, 3), ("a", "b"), "float32")
    with pytest.raises(ValueError, match=r"`backbone` must be .*resnet_14_small.*Received: backbone='Unheard'"):
        network.build(recipe(backbone="Unheard"), (32, 32, 3), ("a", "b"), "float32")


def test_fine_tuning_keeps_the_network_and_has_a_new_last_layer(run, tmp_path):
    fine = recipe().replace({"from_run": run.path, "freeze": "backbone"})
    assert (fine.depth, fine.reduction, fine.head, fine.resize) == (0, 0, "average", "crop")
    old = run.load_model()
    same = network.build(fine, run.config.image_shape, run.config.class_names, "float32")
    other = network.build(fine, run.config.image_shape, ("a", "b", "c", "d"), "float32")
    for model in (same, other):
        np.testing.assert_array_equal(model.get_layer("dilated").kernel, old.get_layer("dilated").kernel)
        assert [layer.name for layer in model.layers if layer.trainable_weights] == ["dense", "probabilities"]
    np.testing.assert_array_equal(same.get_layer("probabilities").kernel, old.get_layer("probabilities").kernel)
    assert np.any(np.asarray(other.get_layer("probabilities").kernel) != np.asarray(old.get_layer("probabilities").kernel))


def test_what_was_left_out_is_kept_and_told(run, data):
    config = json.loads((run.path / "config.json").read_text())
    assert config["skipped"] == ["disk/broken.png"]
    told = tasks.find("image-classification").notes(load(data))
    assert [note.split(":")[0] for note in told] == ["Left out", "Classes with too few images to be in validation or test"]
    with pytest.raises(ValueError, match=r"broken.png' must be a whole"):
        atrous.train(data=data, output=run.path.parent / "strict", strict=True, **SMALL)
    assert not (run.path.parent / "strict").exists()


def test_the_page_has_skipped_files_thin_classes_and_choices(run, data):
    from atrous.tasks.image_classification.report import contents

    found = contents(run, run.load_model(), load(data, image_size=(12, 16), resize="crop"), run.test)
    assert any("1 file could not be read and took no part: disk/broken.png." in note for note in found.notes)
    assert any("rare (2). They are trained on" in note for note in found.notes)
    assert "images cut to 12 × 16" in found.choices
    assert "balanced class weights" in found.choices
    assert "Files left out" in found.sections[-1]


def test_balanced_accuracy_is_the_mean_recall(run, data):
    confusion = np.array(run.test["confusion"])
    tested = confusion.sum(axis=1) > 0
    assert tested.tolist() == [True, False, True, True]  # rare has no test example
    assert run.test["balanced_accuracy"] == pytest.approx((confusion.diagonal()[tested] / confusion.sum(axis=1)[tested]).mean())


def test_class_weights_are_those_of_keras(data):
    """One step with our weights changes a model as one with `class_weight` of `fit` does."""
    split = load(data).train
    weights = balanced(split.labels, 4)
    counts = np.bincount(split.labels)
    np.testing.assert_allclose(weights, counts.sum() / (4 * counts))
    assert max(balanced([0] * 990 + [1], 2)) == 10

    def trained(batches, **options):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((16, 16, 1))
        outputs = keras.layers.Dense(4, activation="softmax")(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs)))
        model = keras.Model(inputs, outputs)
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        model.fit(batches, shuffle=False, verbose=0, **options)
        return model.get_weights()

    ours = trained(Batches(split, 8, class_weights=weights))
    theirs = trained(Batches(split, 8), class_weight=dict(enumerate(weights)))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_every_augmentation_and_class_weights_resume_exactly(run, data, tmp_path):
    short = atrous.train(data=data, output=tmp_path / "short", **{**EVERYTHING, "epochs": 1})
    again = atrous.train(resume=short, epochs=2, quiet=True)
    rows = [[{**row, "seconds": 0} for row in each.metrics] for each in (run, again)]
    assert rows[0] == rows[1]
    assert run.test == again.test


def test_a_file_is_predicted_as_the_test_part_is(run, tmp_path):
    """Size, gray or colour, and how it is cut come from the run."""
    test = run.load_data().test
    assert test.is_cut
    files = [run.config.data + "/" + test.name(i) for i in range(len(test))]
    images = np.concatenate([batch[0] for batch in Batches(test, 8)])
    for file, image in zip(files, images, strict=True):
        np.testing.assert_array_equal(read_image(file, run.config.image_shape, "crop"), image)
    expected = np.asarray(run.load_model().predict(Batches(test, 8), verbose=0))
    found = atrous.predict(run, files, top=4, output=tmp_path)
    for said, row in zip(found, expected, strict=True):
        order = np.argsort(-row, kind="stable")
        assert said.top == tuple((run.config.class_names[i], float(row[i])) for i in order)
        assert (said.class_name, said.probability) == said.top[0]
    assert said.to_json()["top"][0] == {"class": said.class_name, "probability": said.probability}
    with (tmp_path / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == files
    assert [(row["class"], float(row["probability_4"])) for row in rows] == [
        (each.class_name, each.top[3][1]) for each in found
    ]


def test_top_is_a_positive_integer_and_what_cannot_be_read_is_in_the_table(run, tmp_path):
    with pytest.raises(ValueError, match="`top` must be a positive integer"):
        atrous.predict(run, run.config.data, top=0)
    (tmp_path / "broken.png").write_bytes(b"no image")
    atrous.predict(run, tmp_path / "broken.png", output=tmp_path / "table.csv")
    (row,) = csv.DictReader((tmp_path / "table.csv").read_text().splitlines())
    assert (row["class"], row["probability"]) == ("", "")
    assert "must be a whole" in row["error"]


def test_other_data_are_tested_in_the_run_s_colours(run, tmp_path):
    other = tmp_path / "colour"
    for name in run.config.class_names:
        (other / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (30, 20), (number, 0, 0)).save(other / name / f"{number}.png")
    assert atrous.evaluate(run, other)["examples"] == 4


def test_a_run_that_diverged_goes_on_in_smaller_steps(data, tmp_path, monkeypatch):
    """After one good epoch the weights are made infinite, as a step too large does."""
    good = Record.on_epoch_begin

    def spoilt(self, epoch, logs=None):
        good(self, epoch, logs)
        if epoch == 1:
            self.model.get_layer("probabilities").kernel.assign(np.full((128, 4), np.inf))

    with monkeypatch.context() as patch:
        patch.setattr(Record, "on_epoch_begin", spoilt)
        with pytest.raises(
            FloatingPointError,
            match=r"became nan in epoch 2, step 1\. Likely causes: steps are too large \(`learning_rate` is 0.002\).*"
            r"The run as it was after epoch 1 is kept; go on from there.*--resume \S+run --learning-rate 0.0002",
        ):
            atrous.train(data=data, output=tmp_path / "run", **{**SMALL, "epochs": 3, "learning_rate": 0.002, "decay": "none"})
    run = Run(tmp_path / "run")
    assert [row["epoch"] for row in run.metrics] == [1]
    run = atrous.train(resume=run, learning_rate=0.0002, quiet=True)
    assert [row["learning_rate"] for row in run.metrics] == pytest.approx([0.002, 0.0002, 0.0002])
    assert Run(run.path).config.changes == ((1, 0.002),)
    with pytest.raises(ValueError, match="`learning_rate` must come with more `epochs`"):
        atrous.train(resume=run, learning_rate=0.1, quiet=True)


def test_an_epoch_whose_last_step_was_too_large_is_not_kept(data, tmp_path, monkeypatch):
    """The loss of each step is finite; what the last one left shows on the validation part."""

    def spoil(self, batch, logs=None):
        self.model.get_layer("probabilities").kernel.assign(
            np.full((128, 4), np.nan)
        )  # behind no ReLU, of which oneDNN's hides it

    monkeypatch.setattr(Record, "on_train_batch_end", spoil)
    with pytest.raises(FloatingPointError, match=r"validation part became nan after epoch 1\. .*No epoch was finished"):
        atrous.train(data=data, output=tmp_path / "run", **{**SMALL, "batch_size": 64})
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_file_that_vanishes_in_training_is_one_sentence(data, tmp_path, monkeypatch):
    """Through `fit`, which on TensorFlow makes another error of it."""
    monkeypatch.setattr(
        "atrous.data.folder.read_image", lambda *args: (_ for _ in ()).throw(FileNotFoundError(2, "No such file"))
    )
    with pytest.raises(ValueError, match=r"png' must stay as it was while it is in use. Received: No such file. Bring it back"):
        atrous.train(data=data, output=tmp_path / "run", **SMALL)


def test_a_file_that_vanishes_before_the_test_is_one_sentence(run, monkeypatch):
    monkeypatch.setattr(
        "atrous.data.folder.read_image", lambda *args: (_ for _ in ()).throw(FileNotFoundError(2, "No such file"))
    )
    with pytest.raises(ValueError, match=r"must stay as it was while it is in use. Received: No such file"):
        atrous.evaluate(run)


def test_a_network_that_cannot_be_made_leaves_no_folder(data, tmp_path):
    with pytest.raises(ValueError, match=r"`weights` must be .* file that exists"):
        atrous.train(data=data, output=tmp_path / "run", weights=str(tmp_path / "nowhere.keras"), **SMALL)
    assert not (tmp_path / "run").exists()


def test_an_output_that_cannot_be_written_is_one_sentence(data, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        OSError, match=r"`output` must be a folder that can be written to. Received: output='\S+run': Not a dir"
    ):
        atrous.train(data=data, output=tmp_path / "file" / "run", **SMALL)
