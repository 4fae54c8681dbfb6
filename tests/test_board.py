"""What the callback writes, read back from its file."""

import io
import warnings

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import atrous
from atrous.field import analyze, effective_field

pytest.importorskip("tensorboard", reason="the callback needs TensorBoard, which comes with TensorFlow")


def segmenter(channels=2, size=(16, 16)):
    return keras.Sequential(
        [
            keras.Input((*size, channels)),
            layers.Conv2D(3, 3, padding="same", activation="tanh", name="plain"),
            layers.Conv2D(4, 3, padding="same", dilation_rate=2, activation="tanh", name="dilated"),
            layers.Conv2D(2, 1, name="head"),
        ]
    )


def fit(model, board, epochs=2, **options):
    shape = tuple(model.inputs[0].shape[1:])
    x = np.random.default_rng(0).uniform(size=(8, *shape)).astype("float32")
    y = np.zeros((8, *model.outputs[0].shape[1:]), "float32")
    model.compile("sgd", "mse")
    model.fit(x, y, epochs=epochs, verbose=0, callbacks=[board(x[:3])], **options)
    return x[:3]


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), {"images": 0, "tensors": 0}).Reload()


def picture(logs, tag):
    event = logs.Images(tag)[-1]
    image = Image.open(io.BytesIO(event.encoded_image_string))
    assert image.size == (event.width, event.height)
    return np.asarray(image.convert("RGB"))


def scalar(event):
    (value,) = event.tensor_proto.float_val
    return value


def test_the_table_the_field_and_the_maps(tmp_path):
    model = segmenter()
    x = fit(model, lambda x: atrous.FieldBoard(tmp_path, x), epochs=2)
    logs = read(tmp_path)
    assert set(logs.Tags()["images"]) == {"effective field/output", "feature maps/dilated"}
    assert [event.step for event in logs.Images("effective field/output")] == [0, 1, 2]
    assert [event.step for event in logs.Images("feature maps/dilated")] == [0, 1, 2]

    (table,) = logs.Tensors("layers")
    text = table.tensor_proto.string_val[0].decode()
    rows = dict(
        zip(("layer", "plain", "dilated", "head"), (line for line in text.splitlines() if "---" not in line), strict=False)
    )
    assert [cell.strip() for cell in rows["dilated"].split("|")[1:4]] == ["dilated", "Conv2D", "16×16×4"]
    assert "7×7" in rows["head"]
    assert all(f"* {warning}" in text for warning in analyze(model).warnings)

    field = effective_field(model, x)
    for name, extents in (("two sigma", field.two_sigma), ("95 percent", field.mass_95)):
        for axis, extent in enumerate(extents):
            steps = logs.Tensors(f"effective field, {name}/axis {axis}")
            assert [event.step for event in steps] == [0, 1, 2]
            assert scalar(steps[-1]) == pytest.approx(extent, rel=1e-5)


def test_pictures_show_something(tmp_path):
    fit(segmenter(), lambda x: atrous.FieldBoard(tmp_path, x, layers=["plain", "dilated"]), epochs=1)
    logs = read(tmp_path)
    for tag in logs.Tags()["images"]:
        pixels = picture(logs, tag)
        assert (pixels[0, 0] == 255).all()  # on white
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
    assert "feature maps/plain" in logs.Tags()["images"]


@pytest.mark.parametrize(("every", "steps"), [(2, [0, 2, 3]), (5, [0, 3])])
def test_every_and_always_the_last(every, steps, tmp_path):
    fit(segmenter(), lambda x: atrous.FieldBoard(tmp_path, x, every=every), epochs=3)
    assert [event.step for event in read(tmp_path).Images("effective field/output")] == steps


def test_a_training_that_goes_on(tmp_path):
    fit(segmenter(), lambda x: atrous.FieldBoard(tmp_path, x), epochs=3, initial_epoch=1)
    assert [event.step for event in read(tmp_path).Images("effective field/output")] == [2, 3]


@pytest.mark.parametrize("rank", [1, 3])
def test_sequences_and_volumes(rank, tmp_path):
    conv = {1: layers.Conv1D, 3: layers.Conv3D}[rank]
    model = keras.Sequential([keras.Input((9,) * rank + (2,)), conv(2, 3, dilation_rate=2, padding="same", name="dilated")])
    fit(model, lambda x: atrous.FieldBoard(tmp_path, x), epochs=1)
    logs = read(tmp_path)
    assert set(logs.Tags()["images"]) == {"effective field/output", "feature maps/dilated"}
    assert picture(logs, "effective field/output").std() > 1


def test_at_most_four_layers_first_and_last_among_them(tmp_path):
    rates = (1, 2, 3, 4, 5, 6, 7, 8)
    dilated = [layers.Conv1D(1, 3, dilation_rate=rate, padding="same", name=f"rate{rate}") for rate in rates]
    fit(keras.Sequential([keras.Input((20, 1)), *dilated]), lambda x: atrous.FieldBoard(tmp_path, x), epochs=1)
    written = sorted(tag for tag in read(tmp_path).Tags()["images"] if tag.startswith("feature maps"))
    assert written == [f"feature maps/rate{rate}" for rate in (2, 4, 6, 8)]


def test_training_goes_on_without_a_field_and_is_not_changed(tmp_path):
    def dead():
        model = segmenter()
        model.get_layer("dilated").bias.assign(np.full(4, -1000.0))
        return model

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(dead(), lambda x: atrous.FieldBoard(tmp_path, x), epochs=1)
    said = [str(warning.message) for warning in caught if "effective field" in str(warning.message)]
    assert [message[:29] for message in said] == ["No effective field at step 0:", "No effective field at step 1:"]
    assert [event.step for event in read(tmp_path).Images("feature maps/dilated")] == [0, 1]

    models = [segmenter() for _ in range(2)]
    models[1].set_weights(models[0].get_weights())
    callbacks = [lambda x: keras.callbacks.Callback(), lambda x: atrous.FieldBoard(tmp_path / "other", x)]
    for model, callback in zip(models, callbacks, strict=True):
        keras.utils.set_random_seed(0)
        fit(model, callback, epochs=2)
    for plain, watched in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(plain, watched)


def test_arguments_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match=r"`every` must be a positive number of epochs. Received: every=0\."):
        atrous.FieldBoard(tmp_path, np.zeros((1, 16, 16, 2)), every=0)
    with pytest.raises(
        ValueError, match=r"`layers` must be names of .* plain, dilated, head. Received: 'heat' in layers=\['heat'\]"
    ):
        fit(segmenter(), lambda x: atrous.FieldBoard(tmp_path, x, layers=["heat"]))


def test_the_picture_says_the_numbers_of_the_field(tmp_path):
    from atrous import plots

    field = effective_field(segmenter())
    axes = plots.effective_field(field.gradient, theoretical=field.theoretical)
    labels = [text.get_text() for legend in axes.figure.legends for text in legend.get_texts()]
    assert f"±2σ: {field.two_sigma[0]:.1f} × {field.two_sigma[1]:.1f} pixels" in labels
    assert f"95 % along each axis: {field.mass_95[0]} × {field.mass_95[1]} pixels" in labels
