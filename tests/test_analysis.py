"""What networks see, against what is published and against gradients."""

import time

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from keras import layers, ops

from atrous.field import AxisMap, analyze, register, verify
from atrous.field.registry import _RULES
from atrous.spec import ConvSpec
from backbones import without_values
from dags import dags

EXAMPLES = {"tensorflow": 500, "torch": 40}.get(keras.backend.backend(), 8)  # JAX compiles each of them


@settings(max_examples=EXAMPLES)
@given(dags)
def test_random_networks_see_what_their_gradients_reach(dag):
    found = verify(dag.build())
    assert found.agrees, found.differing[:3]


# Araujo, Norris, Sim 2019, doi 10.23915/distill.00021, table of architectures.
PUBLISHED = {
    "VGG16": 212,
    "ResNet50": 483,
    "ResNet101": 1027,
    "ResNet152": 1507,
    "MobileNet": 315,
    "InceptionV3": 1311,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_classifiers_have_their_published_fields(name):
    with without_values():
        report = analyze(getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(None, None, 3)))
    assert report.output.size == (PUBLISHED[name],) * 2
    assert report.output.stride == (32, 32)


# What has squeeze-and-excitation sees everything, and so much in particular; checked by gradients in benchmarks/.
FAMILIES = {
    "MobileNetV2": (491, 491),
    "MobileNetV3Small": (np.inf, 639),
    "EfficientNetB0": (np.inf, 851),
    "EfficientNetV2B0": (np.inf, 763),
    "DenseNet121": (2071, 2071),
    "Xception": (1083, 1083),
    "ConvNeXtTiny": (1688, 1688),
    "ResNet50V2": (483, 483),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_of_classifiers_is_followed(name):
    with without_values():
        output = analyze(getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(None, None, 3))).output
    assert (output.size[0], output.local_size[0]) == FAMILIES[name]
    assert output.stride == (32, 32)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras refuses to make NASNet on PyTorch")
def test_nasnet_is_followed_at_a_size_that_is_known():
    with without_values():
        nasnet = keras.applications.NASNetMobile(weights=None, include_top=False, input_shape=(224, 224, 3))
        assert analyze(nasnet).output.size == (2407, 2407)


def test_sizes_that_do_not_fit_are_said_to():
    x = keras.Input((None, 1))
    y = layers.Add(name="join")([layers.Conv1D(1, 3)(x), layers.Conv1D(1, 3, padding="same")(x)])
    with pytest.raises(ValueError, match=r"'join'.*don't fit each other.*`input_shape`"):
        analyze(keras.Model(x, y))


def test_the_context_module_sees_67():
    """Yu, Koltun 2016, arXiv:1511.07122, table 1."""
    model = keras.Sequential([keras.Input((None, None, 1))])
    for rate in (1, 1, 2, 4, 8, 16, 1):
        model.add(layers.Conv2D(1, 3, dilation_rate=rate, padding="same"))
    model.add(layers.Conv2D(1, 1))
    report = analyze(model)
    assert report.output.size == (67, 67)
    assert report.gridding == 0


def test_wavenet_sees_1024():
    """van den Oord et al. 2016, arXiv:1609.03499, section 2.1: rates 1 to 512."""
    x = y = keras.Input((None, 4))
    for layer in range(10):
        gate = [
            layers.Conv1D(4, 2, dilation_rate=2**layer, padding="causal", activation=activation)(y)
            for activation in ("tanh", "sigmoid")
        ]
        y = layers.Add()([y, layers.Conv1D(4, 1)(layers.Multiply()(gate))])
    (field,) = analyze(keras.Model(x, y)).output.fields
    assert (field.size, field.look_back, field.look_ahead) == (1024, 1023, 0)


@pytest.mark.parametrize(("kernel", "levels"), [(2, 4), (3, 6), (7, 3)])
def test_temporal_convolutional_networks_see_what_the_formula_says(kernel, levels):
    """Bai, Kolter, Koltun 2018, arXiv:1803.01271: two convolutions a level, 1 + 2(k−1)(2ⁿ−1)."""
    x = y = keras.Input((None, 2))
    for level in range(levels):
        branch = y
        for _ in range(2):
            branch = layers.Conv1D(2, kernel, dilation_rate=2**level, padding="causal", activation="relu")(branch)
        y = layers.Add()([y, branch])
    report = analyze(keras.Model(x, y[:, -1]), (5000, 2))
    assert report.output.size == (1 + 2 * (kernel - 1) * (2**levels - 1),)


def test_spliceai_sees_10001():
    """Jaganathan et al. 2019, doi 10.1016/j.cell.2018.12.015, figure 1: SpliceAI-10k."""
    x = keras.Input((None, 4))
    y = layers.Conv1D(2, 1)(x)
    for kernel, rate in ((11, 1), (11, 4), (21, 10), (41, 25)):
        for _ in range(4):
            branch = y
            for _ in range(2):
                branch = layers.ReLU()(layers.BatchNormalization()(branch))
                branch = layers.Conv1D(2, kernel, dilation_rate=rate, padding="same")(branch)
            y = layers.Add()([y, branch])
    assert analyze(keras.Model(x, y)).output.size == (10_001,)


class Blur(layers.Layer):
    """Computes in a way that can't be followed."""

    size = 3

    def call(self, x):
        return ops.convert_to_tensor(np.zeros(2)) if isinstance(x, keras.KerasTensor) else x

    def compute_output_shape(self, shape):
        return shape

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_spectrogram_sees_the_window_of_each_frame(padding):
    inputs = keras.Input((601, 2))
    made = layers.STFTSpectrogram(frame_length=50, frame_step=20, padding=padding)(inputs)
    seen = analyze(keras.Model(inputs, made)).output
    assert (seen.size, seen.stride) == ((50,), (20,))
    inputs = keras.Input((600,))
    mel = layers.MelSpectrogram(32, sequence_stride=20, sequence_length=25, sampling_rate=1000, num_mel_bins=8)
    seen = analyze(keras.Model(inputs, mel(inputs))).output
    assert (seen.size, seen.stride, seen.offset) == ((25,), (20,), (-13,))  # padded by 16, the window 3 behind their first


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="asks TensorFlow for the gradient")
def test_a_mel_spectrogram_sees_what_its_gradients_reach():
    import tensorflow as tf

    mel = layers.MelSpectrogram(
        64, sequence_stride=20, sequence_length=50, sampling_rate=1000, num_mel_bins=8, power_to_db=False
    )
    inputs = keras.Input((600,))
    seen = analyze(keras.Model(inputs, mel(inputs))).output
    x = tf.Variable(np.random.default_rng(0).standard_normal((1, 600)).astype("float32"))
    with tf.GradientTape() as tape:
        heard = tf.reduce_sum(mel(x)[0, :, 10])
    first, last = np.flatnonzero(tape.gradient(heard, x)[0])[[0, -1]]
    assert first == 10 * 20 + seen.offset[0] + 1  # the window's first value is 0
    assert last == first + seen.size[0] - 2


def test_a_constant_may_be_longer_than_what_it_meets():
    inputs = keras.Input((1, 3))
    made = inputs * ops.ones((1, 5, 3)) + ops.ones((5, 3))
    seen = analyze(keras.Model(inputs, layers.Conv1D(2, 3)(made)))
    assert seen.output.seen.shape == (3, 2)
    assert seen.output.size == (1,)  # all five are one position


def test_a_layer_without_a_rule_is_named_with_the_way_to_give_it_one(monkeypatch):
    x = keras.Input((9, 9, 2))
    model = keras.Model(x, Blur(name="mystery")(x))
    with pytest.raises(ValueError, match=r"'mystery' \(Blur\).*no rule is known.*atrous\.field\.register"):
        analyze(model)
    for answer, size in (
        (ConvSpec.parse(2, 3, padding="same"), 3),
        ("positionwise", 1),
        ("whole", np.inf),
        ([(AxisMap.window(5, before=2), 9)] * 2, 5),
    ):
        monkeypatch.delitem(_RULES, Blur, raising=False)
        register(Blur)(lambda layer, answer=answer: answer)
        assert analyze(model).output.size == (size, size)
    register(Blur)(lambda layer: "everything")
    with pytest.raises(ValueError, match="its rule must return a `ConvSpec`"):
        analyze(model)


def test_a_rule_that_is_wrong_about_shapes_is_refused(monkeypatch):
    x = keras.Input((9, 9, 2))
    monkeypatch.setitem(_RULES, Blur, None)
    register(Blur)(lambda layer: ConvSpec.parse(2, 3))
    with pytest.raises(ValueError, match=r"shape \(7, 7, 2\), and Keras says \(9, 9, 2\)"):
        analyze(keras.Model(x, Blur()(x)))


UNKNOWN = {
    "its state": (lambda: layers.LSTM(2, return_state=True, name="unknown"), (9, 2)),
    "steps of convolutions": (lambda: layers.ConvLSTM1D(2, 3, return_sequences=True, name="unknown"), (5, 9, 2)),
    "a sequence backwards": (lambda: layers.GRU(2, return_sequences=True, go_backwards=True, name="unknown"), (9, 2)),
    "a random part": (lambda: layers.RandomCrop(3, 3, name="unknown"), (9, 9, 3)),
    "a scale that depends on the image": (lambda: layers.CenterCrop(12, 12, name="unknown"), (9, 9, 3)),
    "smooth resizing": (lambda: layers.Resizing(5, 5, antialias=True, name="unknown"), (9, 9, 3)),
    "any sum of products": (lambda: layers.EinsumDense("abc,bd->adc", output_shape=(4, 2), name="unknown"), (9, 2)),
    "one axis become several": (lambda: layers.Reshape((3, 3, 2), name="unknown"), (9, 2)),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_is_not_known_is_not_guessed(what):
    make, shape = UNKNOWN[what]
    x = keras.Input(shape)
    made = keras.tree.flatten(make()(x))
    with pytest.raises(ValueError, match="Layer 'unknown"):
        analyze(keras.Model(x, made[0]))


def test_500_layers_are_analysed_within_seconds():
    x = y = keras.Input((None, None, 1))
    for layer in range(250):
        y = layers.Add()([y, layers.Conv2D(1, 3, dilation_rate=1 + layer % 5, padding="same")(y)])
    model = keras.Model(x, y)
    start = time.process_time()
    report = analyze(model)
    assert time.process_time() - start < 5
    assert report.output.size == (1 + 2 * 3 * 250,) * 2


def test_analysing_leaves_no_trace(tmp_path):
    model = keras.Sequential([keras.Input((9, 2)), layers.Conv1D(2, 3), layers.Dense(1)])
    before = [layer.input for layer in model.layers]
    analyze(model)
    assert all(layer.input is tensor for layer, tensor in zip(model.layers, before, strict=True))
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    given = np.ones((1, 9, 2))
    np.testing.assert_allclose(*(keras.ops.convert_to_numpy(m(given)) for m in (again, model)))
