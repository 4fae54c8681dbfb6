"""Tile by tile as the whole: models of all kinds, at any size; what reads everything; memory; files; after a kill."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from PIL import Image

import atrous
from atrous import blocks, layers, tiled
from atrous.models import DeepLabV3Plus
from atrous.models.labels import ClassLabels
from atrous.tiled import functions, images, targets

K = keras.layers


def chain(rank, channels, *steps):
    """A model of layers behind each other, on an input of open size."""
    x = inputs = keras.Input((*(None,) * rank, channels))
    for step in steps:
        x = step(x)
    return keras.Model(inputs, x)


def squeezed(x):
    """Squeeze and excitation: what follows waits for the mean of all."""
    scale = K.Dense(x.shape[-1], "sigmoid")(K.Dense(2, "relu")(K.GlobalAveragePooling2D(keepdims=True)(x)))
    return x * scale


def deeplab():
    x = inputs = keras.Input((None, None, 3))
    for i, stride in enumerate((2, 2, 2, 2), 1):
        x = K.Conv2D(2 + i, 3, strides=stride, padding="same", activation="relu", name=f"c{i}")(x)
    backbone = keras.Model(inputs, x, name="own")
    return DeepLabV3Plus(backbone, classes=3, filters=4, rates=(1, 2), low_level_filters=2, input_shape=(None, None, 3))


MODELS = {
    "context": lambda: chain(2, 2, layers.Conv2D(3, 3, dilation_rate=2, padding="same"), layers.Conv2D(2, 3, dilation_rate=5)),
    "strides": lambda: chain(
        2, 2, layers.Conv2D(3, (3, 4), strides=2, padding="same", activation="relu"), K.MaxPooling2D(3, 2, padding="same"),
        K.AveragePooling2D(3, 1, padding="same"), layers.Conv2DTranspose(2, 3, strides=4, padding="same"),
    ),
    "resizing": lambda: chain(
        2, 2, K.Conv2D(3, 3, strides=3, padding="same"), K.UpSampling2D(2, interpolation="bilinear"), K.Resizing(23, 17),
        K.Conv2D(2, 3, padding="same"), K.UpSampling2D(3),
    ),
    "squeezes": lambda: chain(
        2, 2, K.Conv2D(4, 3, padding="same"), squeezed, K.Conv2D(4, 3, strides=2, padding="same"), squeezed,
        lambda x: x - ops.max(x, axis=(1, 2), keepdims=True) + ops.min(x, axis=(1, 2), keepdims=True), K.Conv2D(2, 3),
    ),
    "sums of rows": lambda: chain(
        2, 2, K.Conv2D(3, 3, padding="same"), lambda x: x + ops.sum(x, axis=2, keepdims=True) / 100, K.Conv2D(2, 3),
    ),
    "classifier": lambda: chain(2, 2, K.Conv2D(3, 3, strides=2), K.GlobalMaxPooling2D(), K.Dense(4)),
    "branches": lambda: chain(
        2, 2, blocks.ASPP(4, (1, 2, 3), output_stride=16), lambda x: K.Concatenate()([x, ops.split(x, 2, axis=-1)[0]]),
    ),
    "DeepLab": deeplab,
    "sequence": lambda: chain(
        1, 2, layers.Conv1D(3, 3, dilation_rate=4, padding="causal"), layers.Conv1D(2, 4, strides=3, padding="same"),
    ),
    "volume": lambda: chain(3, 1, layers.Conv3D(2, 3, dilation_rate=2, padding="same"), K.MaxPooling3D(2), K.Conv3D(2, 2)),
}  # fmt: skip


def whole(model, image):
    return ops.convert_to_numpy(model(image[None]))[0]


def picture(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def assert_same(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=2e-5 * max(1.0, np.abs(expected).max()))


@pytest.fixture
def uncompiled(monkeypatch):
    """Graphs take their time, and compute the same."""
    monkeypatch.setattr(functions, "_as_graph", lambda function: function)


@pytest.mark.filterwarnings("ignore:`rates` should be below")
@pytest.mark.parametrize("name", MODELS)
def test_any_model_at_any_size(name, uncompiled):
    model = MODELS[name]()
    for weight in model.weights:
        weight.assign(np.random.default_rng(0).uniform(-0.6, 0.8, weight.shape))
    rank = len(model.input_shape) - 2
    longest = {1: 200, 2: 60, 3: 20}[rank]

    @settings(max_examples=6)
    @given(st.data())
    def check(data):
        size = data.draw(st.tuples(*[st.integers(14, longest)] * rank))
        tile = data.draw(st.tuples(*[st.integers(max(4, longest // 6), longest)] * rank))
        image = picture(*size, model.input_shape[-1])
        assert_same(tiled.predict(model, image, tile=tile), whole(model, image))

    check()


@pytest.mark.parametrize("name", ["context", "squeezes"])
def test_compiled_and_labels(name):
    model, image = MODELS[name](), picture(90, 70, 2)
    expected = whole(model, image)
    assert_same(tiled.predict(model, image, tile=20), expected)
    labels = tiled.predict(model, image, tile=(20, 70), activation="argmax")
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected.argmax(-1))


def test_channels_first_and_constant_maps():
    x = inputs = keras.Input((2, None, None))
    x = layers.Conv2D(3, 3, padding="same", data_format="channels_first")(x) + ops.ones_like(x[:, :1])
    model, image = keras.Model(inputs, x), picture(2, 30, 41)
    assert_same(tiled.predict(model, image, tile=13), whole(model, image))
    np.testing.assert_array_equal(tiled.predict(model, image, tile=13, activation="argmax"), whole(model, image).argmax(0))


def test_integers_and_lower_precision():
    model = chain(2, 3, layers.Conv2D(4, 3, padding="same", dtype="mixed_bfloat16"), K.Conv2D(2, 3, dtype="float32"))
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype="uint8")
    expected = ops.convert_to_numpy(model(image[None].astype("float32")))[0]
    np.testing.assert_allclose(tiled.predict(model, image, tile=16), expected, rtol=1e-2, atol=1)
    assert tiled.predict(model, image, tile=16, dtype="float16").dtype == np.float16


def test_a_subclass():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(2, 3, strides=2, padding="same")

        def call(self, inputs):
            return ops.tanh(self.conv(inputs)) * 2

    model, image = Own(), picture(31, 24, 2)
    expected = whole(model, image)
    assert_same(tiled.predict(model, image, tile=8), expected)


# ---- what reads everything ---------------------------------------------------------------------------------------------------


def test_passes_are_told():
    assert tiled.plan(MODELS["context"](), (40, 40, 2), tile=16).passes == 1
    assert tiled.plan(MODELS["squeezes"](), (40, 40, 2), tile=16).passes == 4  # two means; maximum and minimum share one
    assert tiled.plan(deeplab(), (64, 64, 3), tile=32).passes == 2


@pytest.mark.parametrize("build", [
    lambda: K.GroupNormalization(1, name="late"),
    lambda: K.LayerNormalization(axis=(1, 2, 3), name="late"),
])  # fmt: skip
def test_what_reads_everything_is_refused_by_name_or_reads_each_tile(build):
    inputs = keras.Input((32, 32, 2))
    model = keras.Model(inputs, build()(K.Conv2D(2, 3, padding="same")(inputs)))
    image = picture(32, 32, 2)
    with pytest.raises(ValueError, match=r"'late' .*approximate=True"):
        tiled.predict(model, image, tile=16)
    if "Layer" in type(model.layers[-1]).__name__:  # it has a weight for each position
        return
    found = tiled.predict(model, image, tile=16, approximate=True)
    assert tiled.plan(model, image.shape, tile=16, approximate=True).approximate == ("late",)
    assert not np.allclose(found, whole(model, image), atol=1e-3)
    convolved = keras.Model(inputs, model.layers[-2].output)
    tile = ops.convert_to_numpy(model.layers[-1](whole(convolved, image)[None, :16, 16:]))[0]
    assert_same(found[:16, 16:], tile)  # its own statistics


@pytest.mark.parametrize("step", [K.Flatten(name="flat"), K.Resizing(9, 9, interpolation="bicubic", name="flat")])
def test_what_no_tile_can_do_is_refused_before_anything_is_computed(step):
    inputs = keras.Input((20, 20, 1))
    model = keras.Model(inputs, step(inputs - ops.mean(inputs, axis=(1, 2), keepdims=True)))
    for approximate in (False, True):
        with pytest.raises(ValueError, match="'flat'"):
            tiled.plan(model, (20, 20, 1), tile=8, approximate=approximate)


# ---- arguments ---------------------------------------------------------------------------------------------------------------


def test_bad_arguments():
    model, image = MODELS["context"](), picture(40, 40, 2)
    for arguments, message in [
        ({"image": picture(40, 40, 3)}, r"`image` must be of a shape that the model takes"),
        ({"image": picture(1, 40, 40, 2)}, "without a batch axis"),
        ({"image": [1, 2]}, "`image` must have a shape"),
        ({"image": "x.webp"}, "`image` must be an array or a file"),
        ({"tile": 0}, "`tile` must be"),
        ({"tile": (8, 8, 8)}, "`tile` must be"),
        ({"memory": "much"}, "`memory` must be a positive number of bytes"),
        ({"memory": "1MB"}, "`memory` must be at least"),
        ({"dtype": "uint8"}, "`dtype` must be a type of floats"),
        ({"dtype": "float32", "activation": "argmax"}, "`dtype` must be a type of integers"),
        ({"activation": "softmax"}, "`activation` must be"),
        ({"out": np.zeros((3, 3))}, r"`out` must have shape \(30, 30, 2\)"),
        ({"out": "x.jpg"}, "`out` must be an array or a file"),
        ({"out": "x.png"}, "`out` must be an .npy file for float32"),
    ]:
        with pytest.raises(ValueError, match=message):
            tiled.predict(model, **{"image": image, **arguments})
    two = keras.Model(model.input, [model.output, model.output])
    with pytest.raises(ValueError, match="one input and one output"):
        tiled.predict(two, image)
    with pytest.raises(ValueError, match=r"`activation='argmax'` needs"):
        tiled.predict(chain(2, 2, K.Conv2D(1, 1)), image, activation="argmax")


def test_the_tile_fits_the_memory():
    model = MODELS["context"]()
    sides = []
    for megabytes in (40, 100, 400):
        found = tiled.plan(model, (8000, 8000, 2), memory=f"{megabytes}MB")
        assert found.bytes <= megabytes * 2**20
        sides.append(found.tile[0])
    assert sides == sorted(set(sides))
    assert tiled.plan(model, (50, 60, 2)).tile == (50, 60)
    assert tiled.plan(model, (8000, 8000, 2), tile=(100, 9000)).halo == ((2, 12), (0, 10))


def test_tiles_begin_at_periods():
    model = MODELS["strides"]()
    found = tiled.plan(model, (1000, 1000, 2), tile=101)
    assert all(size % 4 == 0 for size in found.grids[0].sizes.values())
    resized = chain(2, 1, K.Resizing(997, 991))  # 1009 and 997 have no divisor: every tile is of its own kind
    assert max(tiled.plan(resized, (1009, 1009, 1), tile=101).tile) <= 101


def test_progress_is_told():
    told = []
    tiled.predict(MODELS["squeezes"](), picture(40, 40, 2), tile=20, progress=lambda done, of: told.append((done, of)))
    assert told[0] == (0, told[0][1])
    assert told[-1] == (told[0][1], told[0][1])
    assert told == sorted(told)


# ---- files -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """With an image as a file of each kind."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 75, 3), dtype="uint8")
    np.save(tmp_path / "image.npy", pixels)
    for suffix in (".png", ".tif"):
        Image.fromarray(pixels).save(tmp_path / f"image{suffix}")
    Image.fromarray(pixels).save(tmp_path / "image.jpg", quality=95)
    return tmp_path


SEGMENTER = chain(2, 3, K.Rescaling(1 / 255), layers.Conv2D(4, 3, dilation_rate=2, padding="same"))


@pytest.mark.parametrize("large", [False, True])
def test_files_in_and_out(folder, large, monkeypatch):
    if large:  # as if there were little memory
        pytest.importorskip("pyvips", reason="libvips is an extra")
        monkeypatch.setattr(images, "SHARE", 10**9)
    for suffix in (".npy", ".png", ".tif", ".jpg"):
        file = folder / f"image{suffix}"
        pixels = np.load(file) if suffix == ".npy" else np.asarray(Image.open(file))
        expected = whole(SEGMENTER, pixels.astype("float32"))
        out = folder / f"out{suffix.replace('jpg', 'npy')}"
        found = tiled.predict(SEGMENTER, file, out=out, tile=25, activation="argmax", resume=False)
        labels = found if suffix in (".npy", ".jpg") else np.asarray(Image.open(found))
        assert labels.dtype == np.uint8
        agreed = (labels == expected.argmax(-1)).mean()
        assert agreed == 1 or (large and suffix == ".jpg" and agreed > 0.9)  # two decoders
        assert not list(folder.glob("*.partial*"))


def test_a_gray_picture_and_three_channels_out(folder):
    model = chain(2, 1, K.Conv2D(3, 3, padding="same"))
    Image.open(folder / "image.png").convert("L").save(folder / "gray.png")
    found = tiled.predict(model, folder / "gray.png", tile=25)
    assert_same(found, whole(model, np.asarray(Image.open(folder / "gray.png"))[..., None].astype("float32")))


def test_arrays_that_are_mapped(folder):
    image = np.load(folder / "image.npy", mmap_mode="r")
    out = np.lib.format.open_memmap(folder / "own.npy", "w+", "float32", (60, 75, 4))
    assert tiled.predict(SEGMENTER, image, out=out, tile=25) is out
    assert_same(np.load(folder / "own.npy"), whole(SEGMENTER, np.load(folder / "image.npy").astype("float32")))
    private = np.load(folder / "image.npy", mmap_mode="c")  # what was changed in it is nowhere else
    private[:] = 7
    images.drop_pages(private)
    assert (private == 7).all()


def test_what_slices_like_an_array(folder):
    h5py = pytest.importorskip("h5py", reason="it comes with Keras")
    pixels = np.load(folder / "image.npy")
    with h5py.File(folder / "images.h5", "w") as file:
        image, out = file.create_dataset("image", data=pixels), file.create_dataset("out", (60, 75, 4))
        assert tiled.predict(SEGMENTER, image, out=out, tile=30) is out
        assert_same(out[:], whole(SEGMENTER, pixels.astype("float32")))


def test_libvips_is_asked_for(folder, monkeypatch):
    monkeypatch.setattr(images, "SHARE", 10**9)
    monkeypatch.setitem(sys.modules, "pyvips", None)
    with pytest.raises(ImportError, match="large-images"):
        tiled.predict(SEGMENTER, folder / "image.png", tile=25)


# ---- after a kill ------------------------------------------------------------------------------------------------------------

SCRIPT = """
import sys, time
sys.path.insert(0, {tests!r})
import numpy as np
from test_tiled import SEGMENTER, tiled, targets
from atrous.tiled import functions
functions._as_graph = lambda function: function
targets.SYNC = 0.0
SEGMENTER.set_weights([np.full(w.shape, 0.1, "float32") for w in SEGMENTER.weights])
def slowly(done, of):
    print(done, flush=True)
    time.sleep(0.02)
tiled.predict(SEGMENTER, sys.argv[1], out=sys.argv[2], tile=10, progress=slowly)
"""


def test_it_goes_on_after_a_kill(folder, monkeypatch):
    SEGMENTER.set_weights([np.full(w.shape, 0.1, "float32") for w in SEGMENTER.weights])
    script, out = SCRIPT.format(tests=str(Path(__file__).parent)), folder / "out.npy"
    command = [sys.executable, "-c", script, folder / "image.npy", out]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) == 9:
                process.send_signal(signal.SIGKILL)
                break
    assert not out.exists()
    journal = folder / "out.npy.partial.json"
    begun = json.loads(journal.read_text())["tile"]
    assert 8 <= begun <= 10
    told = []
    arguments = {"out": out, "tile": 10, "progress": lambda done, of: told.append(done)}
    with pytest.raises(ValueError, match=r"must be of the same tile, .*resume=False"):
        tiled.predict(SEGMENTER, folder / "image.npy", **{**arguments, "tile": 20})
    with pytest.raises(ValueError, match="must be of the same result"):
        tiled.predict(SEGMENTER, folder / "image.npy", activation="argmax", **arguments)
    other = keras.models.clone_model(SEGMENTER)
    with pytest.raises(ValueError, match="must be of the same model"):
        tiled.predict(other, folder / "image.npy", **arguments)
    found = tiled.predict(SEGMENTER, folder / "image.npy", **arguments)
    assert told[0] == begun
    assert_same(found, whole(SEGMENTER, np.load(folder / "image.npy").astype("float32")))
    assert sorted(file.name for file in folder.glob("out*")) == ["out.npy"]


def test_a_large_picture_goes_on(folder, monkeypatch, uncompiled):
    pytest.importorskip("pyvips", reason="libvips is an extra")
    monkeypatch.setattr(images, "SHARE", 10**9)
    monkeypatch.setattr(targets, "SYNC", 0.0)

    def stopping(done, of):
        if done == 3:
            raise KeyboardInterrupt

    arguments = {"out": folder / "out.png", "tile": 25, "activation": "argmax"}
    with pytest.raises(KeyboardInterrupt):
        tiled.predict(SEGMENTER, folder / "image.png", progress=stopping, **arguments)
    told = []
    tiled.predict(SEGMENTER, folder / "image.png", progress=lambda done, of: told.append(done), **arguments)
    assert told[0] == 3
    Image.new("RGB", (75, 60)).save(folder / "image.png")
    with pytest.raises(KeyboardInterrupt):
        tiled.predict(SEGMENTER, folder / "image.png", progress=stopping, **arguments)
    Image.new("RGB", (75, 60), "red").save(folder / "image.png")
    with pytest.raises(ValueError, match="must be of the same image"):
        tiled.predict(SEGMENTER, folder / "image.png", **arguments)


@pytest.mark.parametrize("stop", [3, 7, 14, 23])
def test_passes_go_on_with_their_sums(folder, stop, monkeypatch, uncompiled):
    monkeypatch.setattr(targets, "SYNC", 0.0)
    model, image, out = MODELS["squeezes"](), picture(40, 50, 2), folder / "out.npy"

    def stopping(done, of):
        if done == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiled.predict(model, image, out=out, tile=20, progress=stopping)
    told = []
    found = tiled.predict(model, image, out=out, tile=20, progress=lambda done, of: told.append(done))
    assert stop in told
    assert 1 not in told
    assert_same(found, whole(model, image))


def test_one_process_at_a_time(folder):
    started = []

    def again(done, of):
        if done == 1 and not started:
            started.append(True)
            with pytest.raises(BlockingIOError, match="another process"):
                tiled.predict(SEGMENTER, folder / "image.npy", out=folder / "out.npy", tile=25)

    tiled.predict(SEGMENTER, folder / "image.npy", out=folder / "out.npy", tile=25, progress=again)
    assert started


@pytest.mark.parametrize("reserved", [True, False], ids=["before", "while it is written"])
def test_a_full_disk(folder, reserved, monkeypatch):
    if not reserved:  # as where the system can't reserve room
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    monkeypatch.setattr(targets, "SYNC", 0.0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    told = []
    arguments = {"out": folder / "out.npy", "tile": 15, "progress": lambda done, of: told.append(done)}
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"must have room for 0\.1 MB.*goes on when there is room"):
            tiled.predict(SEGMENTER, folder / "image.npy", **arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    done = max(told, default=0)
    assert (done > 3) is not reserved
    assert not (folder / "out.npy").exists()
    told.clear()
    found = tiled.predict(SEGMENTER, folder / "image.npy", **arguments)
    assert told[0] == done
    assert_same(found, whole(SEGMENTER, np.load(folder / "image.npy").astype("float32")))


# ---- the command -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch, capsys):
    """Calls the command; gives its exit code, output and errors."""
    from atrous.cli import main

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["atrous", "tile", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main()
        output = capsys.readouterr()
        return exit_.value.code, output.out, output.err

    return call


def test_the_command(folder, command):
    SEGMENTER.save(folder / "model.keras")
    words = [folder / "model.keras", "--input", folder / "image.png", "--output", folder / "out.png"]
    code, out, err = command(*words, "--tile=25")
    assert (code, err) == (0, "")
    assert "60×75×3: 9 tiles of 20×25, halo 2, 2, about" in out
    assert "s a megapixel" in out
    expected = whole(SEGMENTER, np.load(folder / "image.npy").astype("float32"))
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "out.png")), expected.argmax(-1))
    code, out, _ = command(*words[:-1], folder / "out.npy", "--raw", "--json", "--memory", "100MB")
    facts = json.loads(out)
    assert code == 0
    assert (facts["tiles"], facts["passes"], facts["tile"]) == (1, 1, [60, 75])
    assert_same(np.load(folder / "out.npy"), expected)
    code, _, err = command(*words, "--memory=1MB")
    assert code == 2
    assert err.startswith("`memory` must be at least")
    code, _, err = command(folder / "none.keras", *words[1:])
    assert code == 2


def test_reachable_without_import():
    assert atrous.tiled is tiled


def test_peak_memory_is_seen():
    from atrous.tiled.peak import PeakMemory

    with PeakMemory() as peak:
        held = np.ones(50_000_000, "uint8")
        time.sleep(0.2)
        del held
    assert peak.grown == 0 if not Path("/proc/self/status").exists() else 40e6 < peak.grown < 200e6


def test_labels_have_the_colours_of_their_classes(folder):
    palette = ((0, 0, 0), (200, 10, 20), (0, 150, 30), (7, 8, 250))
    named = chain(2, 3, layers.Conv2D(4, 3, padding="same"), ClassLabels(tuple("abcd"), palette))
    plain = tiled.predict(named, folder / "image.npy", tile=25, activation="argmax")
    tiled.predict(named, folder / "image.png", out=folder / "labels.png", tile=25, activation="argmax")
    with Image.open(folder / "labels.png") as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), plain)
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), np.array(palette, np.uint8)[plain])
