import keras
import numpy as np
import pytest
from PIL import Image

import atrous
import shapes
from atrous import callbacks, training
from atrous.data import Batches
from atrous.run import Run
from atrous.tasks.image_classification import task as image_classification


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return shapes.make(tmp_path_factory.mktemp("data") / "shapes", count=30)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return atrous.train(data=data, output=tmp_path_factory.mktemp("runs") / "run", epochs=6, batch_size=8, quiet=True)


@pytest.fixture
def plain_report(monkeypatch):
    """A report takes as long as the rest of a small run, and has tests of its own."""
    monkeypatch.setattr("atrous.report.write", lambda run: run.report_file.write_text("report"))


def test_a_run_learns(run):
    assert run.test["accuracy"] > 0.6  # a third by chance
    assert run.metrics[-1]["loss"] < 0.8 * run.metrics[0]["loss"]


def test_a_run_folder_holds_what_the_documentation_says(run):
    files = {file.relative_to(run.path).as_posix() for file in run.path.rglob("*") if file.is_file()}
    logs = {file for file in files if file.startswith("tensorboard/")}
    assert files - logs == {
        *("config.json", "metrics.csv", "model.keras", "test.json", "report.html"),
        *("checkpoints/best.keras", "checkpoints/last.keras"),
    }
    assert [row["epoch"] for row in run.metrics] == [1, 2, 3, 4, 5, 6]


def test_tensorboard_logs_have_the_graph_and_every_epoch(run):
    tf = pytest.importorskip("tensorflow")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train, validation = (EventAccumulator(str(run.tensorboard_folder / part)).Reload() for part in ("train", "validation"))
    assert any(node.op in ("Conv2D", "AtrousConv") for node in train.Graph().node)
    logged = [tf.make_ndarray(event.tensor_proto) for event in validation.Tensors("accuracy")]
    np.testing.assert_array_equal(logged, np.float32([row["val_accuracy"] for row in run.metrics]))
    assert [event.step for event in train.Tensors("learning_rate")] == [1, 2, 3, 4, 5, 6]


def test_the_saved_model_is_the_best_epoch_with_its_class_names(run):
    model = run.load_model()
    assert model.class_names == shapes.NAMES
    result = image_classification.TASK.evaluate(model, run.load_data().validation, run.config)
    best = max(row["val_accuracy"] for row in run.metrics)
    assert result["accuracy"] == pytest.approx(best)


def test_evaluate_repeats_the_test_of_the_run(run):
    result = atrous.evaluate(run)
    assert {name: result[name] for name in run.test} == run.test
    confusion = np.array(result["confusion"])
    assert confusion.sum() == result["examples"] == len(run.load_data().test)
    for label, name in enumerate(shapes.NAMES):
        assert result["classes"][name]["examples"] == confusion[label].sum()
        assert result["classes"][name]["recall"] == confusion[label, label] / confusion[label].sum()


def test_evaluate_equals_keras(run):
    split = run.load_data().test
    model = run.load_model()
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    loss, accuracy = model.evaluate(Batches(split, 7), verbose=0)
    result = image_classification.TASK.evaluate(model, split, run.config)
    assert result["loss"] == pytest.approx(loss, rel=1e-5)
    assert result["accuracy"] == pytest.approx(accuracy)


def test_evaluate_on_data_with_other_classes_is_refused(run, tmp_path):
    other = shapes.make(tmp_path / "other")
    assert atrous.evaluate(run, other)["examples"] == 6
    (other / "disk").rename(other / "circle")
    with pytest.raises(ValueError, match=r"`data` must have the run's class_names.*circle"):
        atrous.evaluate(run, other)


def test_predict_takes_files_and_folders_in_any_form(run, data, tmp_path):
    with Image.open(data / "stripes" / "0.png") as image:
        image.convert("RGB").resize((64, 64), Image.Resampling.NEAREST).save(tmp_path / "big colour.jpg", quality=95)
    (tmp_path / "broken.png").write_bytes(b"no image")
    predictions = atrous.predict(run, [data / "stripes", tmp_path / "big colour.jpg", tmp_path / "broken.png"])
    assert len(predictions) == 32
    assert sum(prediction.class_name == "stripes" for prediction in predictions[:30]) >= 27
    assert predictions[30].class_name == "stripes"
    assert 1 / 3 < predictions[30].probability <= 1
    assert predictions[31].class_name is None
    assert "broken.png" in predictions[31].error
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="`images` must be image files"):
        atrous.predict(run, tmp_path / "empty")


def test_same_seed_same_figures(data, tmp_path, plain_report):
    def figures(name, seed):
        run = atrous.train(
            data=data,
            output=tmp_path / name,
            epochs=1,
            batch_size=24,
            seed=seed,
            depth=1,
            augment=("flip", "shift"),
            quiet=True,
        )
        return {name: value for name, value in run.metrics[0].items() if name != "seconds"}, run.test["loss"]

    first = figures("a", 5)
    assert figures("b", 5) == first
    assert figures("c", 6) != first


def test_options_reach_the_model_and_the_optimizer(data, tmp_path, plain_report):
    run = atrous.train(
        data=data,
        output=tmp_path / "run",
        epochs=2,
        batch_size=16,
        rates=(1, 3),
        depth=1,
        reduction=0,
        head="average",
        dropout=0.25,
        augment=("flip",),
        decay="linear",
        learning_rate=0.002,
        mixed_precision=True,
        image_size=(12, 20),
        quiet=True,
    )
    model = run.load_model()
    assert model.input_shape == (None, 12, 20, 1)
    layers = {layer.name: layer for layer in model.layers}
    assert [layers[name].dilation_rate for name in ("dilated1", "dilated2")] == [(1, 1), (3, 3)]
    assert {"flip", "average"} < set(layers)
    assert not {"conv2", "reduce", "shift"} & set(layers)
    assert layers["dropout"].rate == 0.25
    assert layers["conv1"].compute_dtype == "bfloat16"
    assert layers["conv1"].kernel.dtype == "float32"
    assert [row["learning_rate"] for row in run.metrics] == pytest.approx([0.002, 0.001])
    assert atrous.evaluate(run)["loss"] == run.test["loss"]


def test_float16_is_trained_with_a_loss_scale(data, tmp_path, monkeypatch, plain_report):
    monkeypatch.setattr(training, "_policy", lambda config: "mixed_float16")
    run = atrous.train(data=data, output=tmp_path / "run", epochs=1, batch_size=24, decay="cosine", quiet=True)
    model, epoch = callbacks.load_checkpoint(run.checkpoint("last"))
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert model.get_layer("conv1").compute_dtype == "float16"
    assert epoch == 1


def test_early_stopping_ends_a_run(data, tmp_path, plain_report):
    # Too small a step to change any prediction: the first epoch stays the best.
    run = atrous.train(
        data=data, output=tmp_path / "run", epochs=9, batch_size=24, learning_rate=1e-9, early_stopping=2, quiet=True
    )
    assert [row["epoch"] for row in run.metrics] == [1, 2, 3]


def test_a_loss_that_is_no_number_ends_training_and_keeps_the_last_checkpoint(data, tmp_path):
    # Weights step beyond float32 and become infinite; merely large ones give NaN or not by the order of summation.
    with pytest.raises(
        FloatingPointError, match=r"The loss became (nan|inf) in epoch 1, step \d+\. .*`learning_rate` is 3e\+38.*begin again"
    ):
        atrous.train(data=data, output=tmp_path / "run", epochs=3, learning_rate=3e38, quiet=True)
    assert all(np.isfinite(row["loss"]) for row in Run(tmp_path / "run").metrics)


def test_default_output_is_the_first_free_name(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("atrous.training.train", lambda run, dataset, progress: run.write_test({}))
    folders = [atrous.train(data=data, quiet=True).path.as_posix() for _ in range(3)]
    assert folders == ["runs/shapes", "runs/shapes-2", "runs/shapes-3"]


def test_mistakes_are_found_before_the_data_are_read(monkeypatch):
    monkeypatch.setattr("atrous.data.load", lambda *args, **kwargs: pytest.fail("data were read"))
    with pytest.raises(ValueError, match="`rates` must be"):
        atrous.train(rates=(0,))
    with pytest.raises(ValueError, match="`task` must be one of"):
        atrous.train("chess")
    with pytest.raises(ValueError, match="`options` must be one of"):
        atrous.train(momentum=0.9)
