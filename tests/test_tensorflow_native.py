"""The native core as TensorFlow operations, through every door: eager, graphs, gradients, other processes, bad input."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import oracle

if keras.config.backend() != "tensorflow":
    pytest.skip("these are TensorFlow's operations", allow_module_level=True)

import tensorflow as tf

from atrous import layers, ops
from atrous.ops import native
from atrous.ops.tensorflow import native as tensorflow_native
from atrous.ops.tensorflow import surroundings
from atrous.spec import ConvSpec
from operations import TABLE, data, definition, forward_and_gradients, to_layout

if reason := tensorflow_native.obstacle():
    pytest.skip(reason, allow_module_level=True)

NAMES = pytest.mark.parametrize("name", TABLE)
SPEC = ConvSpec.parse(2, 3, 1, 2, "same")
LIBRARY = tensorflow_native.library()


def arrays(*shapes: tuple[int, ...]) -> list[Any]:
    generator = np.random.default_rng(0)
    return [tf.constant(generator.standard_normal(shape), "float32") for shape in shapes]


def upstream(shape: Any) -> Any:
    return tf.constant(np.random.default_rng(1).standard_normal(shape), "float32")


def assert_conv(y: Any, x: Any, w: Any, spec: ConvSpec = SPEC) -> None:
    """That y is the convolution of x by w."""
    x, w = np.asarray(x), np.asarray(w)
    arguments = (spec.strides, spec.dilation_rate, oracle.pads(x.shape[1:-1], w.shape[:-2], spec.strides, spec.dilation_rate,
                                                               spec.padding), spec.groups)  # fmt: skip
    oracle.assert_close(y, oracle.conv(x, w, *arguments), oracle.conv(abs(x), abs(w), *arguments))


def native_nodes(function: Any, *arguments: Any) -> list[str]:
    """Types of the native operations in the graph of a `tf.function`, and in those it calls."""
    graph = function.get_concrete_function(*arguments).graph.as_graph_def()
    nodes = [*graph.node, *(node for called in graph.library.function for node in called.node_def)]
    return sorted(node.op for node in nodes if node.op.startswith("Atrous"))


def unknown(shape: Any) -> tuple[int | None, ...]:
    return (*[None] * (len(shape) - 1), shape[-1])


# ---- values ----------------------------------------------------------------------------------------------------------------


@NAMES
def test_every_direction_is_the_definition(name):
    """Eager, in a graph of known sizes, and in one of unknown sizes."""
    x, w = data(name, "float32")
    forward, all_three = forward_and_gradients(name, "channels_last")
    g = upstream(forward(x, w).shape)
    exact = [np.asarray(a, "float64") for a in (x, w, g)]
    expected, scales = definition(name, *exact), definition(name, *map(abs, exact))
    known = tf.function(all_three, autograph=False)
    signature = [tf.TensorSpec(unknown(x.shape)), tf.TensorSpec(w.shape), tf.TensorSpec(unknown(g.shape))]
    dynamic = tf.function(all_three, autograph=False, input_signature=signature)
    for run in (all_three, known, dynamic):
        for actual, want, scale in zip(run(x, w, g), expected, scales, strict=True):
            oracle.assert_close(actual, want, scale)
    three = ["AtrousConv", "AtrousInputGradient", "AtrousKernelGradient"]
    assert native_nodes(known, x, w, g) == native_nodes(dynamic) == three


@pytest.mark.parametrize("name", ["conv1d", "conv2d grouped", "depthwise2d", "transpose2d strided", "conv3d"])
def test_channels_first(name):
    x, w = data(name, "float32")
    forward, first = (forward_and_gradients(name, layout)[0] for layout in ("channels_last", "channels_first"))
    actual = first(tf.constant(to_layout(x.numpy(), "channels_first")), w)
    np.testing.assert_array_equal(np.moveaxis(actual, 1, -1), forward(x, w))


@NAMES
def test_bias_is_added_and_has_a_gradient(name):
    function, _, _, spec = TABLE[name]
    x, w = data(name, "float32")
    plain = function(x, w, spec)
    (bias,) = arrays((plain.shape[-1],))
    g = upstream(plain.shape)
    with tf.GradientTape() as tape:
        tape.watch(bias)
        y = function(x, w, spec, bias=bias)
    np.testing.assert_allclose(y, plain + bias, rtol=1e-5, atol=1e-5)
    gradient = tape.gradient(y, bias, g)
    oracle.assert_close(gradient, *(np.asarray(a, "float64").reshape(-1, bias.shape[0]).sum(0) for a in (g, abs(g))))


@NAMES
def test_second_order_gradients(name):
    """Σ (∂L/∂x)² + Σ (∂L/∂w)² differentiated again, against central differences in float64 on the stock path."""
    function, _, _, spec = TABLE[name]

    def first_order(x: Any, w: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch((x, w))
            loss = tf.reduce_sum(tf.sin(function(x, w, spec)))
        dx, dw = tape.gradient(loss, (x, w))
        return tf.reduce_sum(dx**2) + tf.reduce_sum(dw**2)

    x, w = data(name, "float32")
    with tf.GradientTape() as tape:
        tape.watch((x, w))
        value = first_order(x, w)
    exact, step = [tf.cast(x, "float64"), tf.cast(w, "float64")], 1e-5
    for which, gradient in enumerate(tape.gradient(value, (x, w))):
        direction = tf.random.stateless_normal(gradient.shape, (3, 4), dtype="float64")
        slopes = []
        for sign in (step, -step):
            moved = list(exact)
            moved[which] = moved[which] + sign * direction
            slopes.append(first_order(*moved))
        slope = (slopes[0] - slopes[1]) / (2 * step)
        scale = float(tf.norm(tf.cast(gradient, "float64")) * tf.norm(direction))
        assert abs(float(tf.reduce_sum(tf.cast(gradient, "float64") * direction) - slope)) < 1e-5 * scale


@NAMES
def test_jacobian(name, loop_warnings):
    """Every entry of ∂y/∂w and of ∂y/∂x, without TensorFlow warning that it loops."""
    x, w = data(name, "float32")
    x = x[:1]
    forward, _ = forward_and_gradients(name, "channels_last")
    with tf.GradientTape(persistent=True) as tape:
        tape.watch((x, w))
        y = forward(x, w)[..., :2]
    of_x, of_w = (np.asarray(tape.jacobian(y, source)).reshape(-1, *source.shape) for source in (x, w))
    exact = [np.asarray(x, "float64"), np.asarray(w, "float64")]
    for row in range(0, len(of_x), 17):
        unit = np.zeros((*y.shape[:-1], forward(x, w).shape[-1]))
        unit[np.unravel_index(row, y.shape)] = 1
        (_, dx, dw), scales = definition(name, *exact, unit), definition(name, *map(abs, exact), unit)
        oracle.assert_close(of_x[row], dx, scales[1])
        oracle.assert_close(of_w[row], dw, scales[2])
    assert loop_warnings == []


@pytest.fixture
def loop_warnings():
    """What TensorFlow logs about loops that it could not vectorize."""

    class Keep(logging.Handler):
        def emit(self, record: Any) -> None:
            if "while_loop" in record.getMessage():
                messages.append(record.getMessage())

    messages: list[str] = []
    handler = Keep(logging.WARNING)
    tf.get_logger().addHandler(handler)
    yield messages
    tf.get_logger().removeHandler(handler)


def test_vectorized_map_runs_all_rows_of_data_as_one_operation(loop_warnings):
    x, w = arrays((3, 2, 11, 9, 4), (3, 3, 4, 6))
    mapped = tf.function(lambda x: tf.vectorized_map(lambda row: ops.conv(row, w, SPEC), x), autograph=False)
    np.testing.assert_array_equal(mapped(x), tf.stack([ops.conv(row, w, SPEC) for row in x]))
    concrete = mapped.get_concrete_function(x)
    assert concrete.output_shapes == (3, 2, 11, 9, 6)
    assert not [op for op in concrete.graph.get_operations() if "While" in op.type]
    assert loop_warnings == []


def test_vectorized_map_over_weights():
    x, w = arrays((2, 11, 9, 4), (3, 3, 3, 4, 6))
    mapped = tf.vectorized_map(lambda row: ops.conv(x, row, SPEC), w, warn=False)
    np.testing.assert_array_equal(mapped, tf.stack([ops.conv(x, row, SPEC) for row in w]))


@pytest.mark.parametrize("rate", [7, 10**6, 2**29], ids=["wide", "huge", "beyond what is native"])
@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_taps_in_the_padding_contribute_nothing(rate, weight):
    x, middle = arrays((2, 5, 7, 4), (1, 1, 4, 2))
    kernel = tf.pad(middle, [(1, 1), (1, 1), (0, 0), (0, 0)], constant_values=weight)
    spec = ConvSpec.parse(2, 3, 1, rate, "same")
    with tf.GradientTape() as tape:
        tape.watch((x, kernel))
        y = ops.conv(x, kernel, spec)
    dx, dw = tape.gradient(y, (x, kernel))
    assert_conv(y, x, middle, ConvSpec.parse(2, 1))
    np.testing.assert_allclose(dx, np.broadcast_to(np.sum(middle, -1), dx.shape), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(np.delete(np.asarray(dw).reshape(9, 4, 2), 4, axis=0), 0)


def test_nan_and_inf_propagate_as_by_the_definition():
    x, w = (np.array(a) for a in arrays((1, 9, 9, 2), (3, 3, 2, 3)))
    x[0, 4, 4, 0], x[0, 0, 0, 1], w[1, 1, 1, 2] = np.nan, np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        expected = oracle.conv(x, w, (1, 1), (2, 2), ((2, 2), (2, 2)))
    actual = np.asarray(ops.conv(x, w, SPEC))
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    np.testing.assert_array_equal(actual[np.isinf(expected)], expected[np.isinf(expected)])


def test_denormals_are_flushed_or_kept_and_the_mode_of_the_caller_stays():
    tiny = np.float32(1e-40)
    x, w = np.full((1, 64, 64, 16), tiny), np.ones((1, 1, 16, 16), "float32")
    y = np.asarray(ops.conv(x, w, ConvSpec.parse(2, 1)))
    oracle.assert_close(y, np.full(y.shape, 16 * float(tiny)), np.zeros(y.shape))
    assert tiny * np.float32(0.5) > 0  # not flushed here


# ---- shapes ----------------------------------------------------------------------------------------------------------------


@NAMES
def test_static_shapes(name):
    """What is known of the output and of both gradients in a graph, by the operations' own shape functions."""
    function, x_shape, w_shape, spec = TABLE[name]
    w = arrays(w_shape)[0]
    full = function(arrays(x_shape)[0], w, spec).shape
    shapes = {x_shape: tuple(full), (None, *x_shape[1:]): (None, *full[1:]), unknown(x_shape): unknown(full)}
    for given, expected in shapes.items():

        def all_three(x: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch((x, w))
                y = function(x, w, spec)
            return y, *tape.gradient(y, (x, w))

        concrete = tf.function(all_three, autograph=False).get_concrete_function(tf.TensorSpec(given))
        y, dx, dw = (tuple(output.shape) for output in concrete.outputs)
        assert (y, dx, dw) == (expected, given, w_shape)


def test_an_unknown_rank_becomes_known():
    w = arrays((3, 3, 4, 6))[0]
    concrete = tf.function(lambda x: ops.conv(x, w, SPEC), autograph=False).get_concrete_function(tf.TensorSpec(None))
    assert tuple(concrete.outputs[0].shape) == (None, None, None, 6)


@pytest.mark.parametrize("shape", [(0, 11, 9, 4), (2, 0, 9, 4)])
def test_nothing_gives_nothing(shape):
    x, w = arrays(shape, (3, 3, 4, 6))
    with tf.GradientTape() as tape:
        tape.watch((x, w))
        y = ops.conv(x, w, SPEC)
    dx, dw = tape.gradient(y, (x, w))
    assert (y.shape, dx.shape) == ((*shape[:-1], 6), shape)
    np.testing.assert_array_equal(dw, np.zeros(w.shape))


# ---- bad input -------------------------------------------------------------------------------------------------------------

X, W, NONE, GEOMETRY = (2, 11, 9, 4), (3, 3, 4, 6), (0,), (0, 1, 1, 1, 2, 2, 0, 0, 0, 0)
BAD = {
    "rank of x": ((11, 9, 4), W, NONE, GEOMETRY, "`x` must have 4 axes"),
    "scalar": ((), W, NONE, GEOMETRY, "`x` must have 4 axes"),
    "rank of kernel": (X, (3, 4, 6), NONE, GEOMETRY, "`kernel` must have 4 axes"),
    "channels": ((2, 11, 9, 3), W, NONE, GEOMETRY, "channels of `x`"),
    "groups": (X, W, NONE, (0, 3, *GEOMETRY[2:]), "channels of `x`"),
    "filters": (X, (3, 3, 2, 5), NONE, (0, 2, *GEOMETRY[2:]), "groups"),
    "depthwise": (X, (3, 3, 3, 1), NONE, (0, 0, *GEOMETRY[2:]), "channels of `x`"),
    "bias": (X, W, (4,), GEOMETRY, "`bias` must have one axis"),
    "rank of bias": (X, W, (), GEOMETRY, "`bias` must have one axis"),
    "no geometry": (X, W, NONE, (), "`geometry` must have the shape"),
    "geometry of rank 0": (X, W, NONE, (0, 1), "`geometry` must have the shape"),
    "geometry of rank 4": (X, W, NONE, (0, *[1] * 17), "`geometry` must have the shape"),
    "geometry that is not empty": (X, W, NONE, (1, *GEOMETRY[1:]), "`geometry` must have the shape"),
    "stride 0": (X, W, NONE, (0, 1, 0, *GEOMETRY[3:]), "must be positive"),
    "empty output": ((2, 3, 9, 4), W, NONE, (0, 1, 1, 1, 2, 2, 1, 1, 1, 1), "The output would be empty"),
    "empty kernel": (X, (0, 3, 4, 6), NONE, GEOMETRY, "must be positive"),
    "no channels": ((2, 11, 9, 0), (3, 3, 0, 6), NONE, GEOMETRY, "must be positive"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_an_error_that_says_what(name):
    *shapes, message = BAD[name]
    inputs = [tf.zeros(shape) for shape in shapes]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        LIBRARY.atrous_conv(*inputs)
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match=message):
        tf.function(LIBRARY.atrous_conv, autograph=False)(*inputs)
    signature = [tf.TensorSpec(None)] * 4
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        tf.function(LIBRARY.atrous_conv, autograph=False, input_signature=signature)(*inputs)


def test_bad_input_of_the_gradients():
    x, w, g, none, geometry = (tf.zeros(shape) for shape in (X, W, (2, 11, 9, 6), NONE, GEOMETRY))
    with pytest.raises(tf.errors.InvalidArgumentError, match="one convolution"):
        LIBRARY.atrous_input_gradient(g, w, none, geometry, tf.zeros((1, 10, 9, 4)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="`like` must have 4 axes"):
        LIBRARY.atrous_input_gradient(g, w, none, geometry, none)
    with pytest.raises(tf.errors.InvalidArgumentError, match="one convolution"):
        LIBRARY.atrous_kernel_gradient(x, g[:1], geometry, w)
    with pytest.raises(tf.errors.InvalidArgumentError, match="one convolution"):
        LIBRARY.atrous_kernel_gradient(x, g, geometry, w[..., :5])


@pytest.mark.parametrize("run", [lambda f: f, lambda f: tf.function(f, autograph=False)], ids=["eager", "graph"])
def test_an_empty_output_is_the_error_of_the_stock_path(run):
    x, w = arrays((2, 3, 9, 4), (3, 3, 4, 6))
    with pytest.raises(ValueError, match=r"The output would be empty.*dilation_rate=\(2, 2\)"):
        run(lambda: ops.conv(x, w, ConvSpec.parse(2, 3, 1, 2)))()


# ---- weights, threads, processes -------------------------------------------------------------------------------------------


def test_weights_that_change_between_calls_by_every_route(tmp_path):
    (x,) = arrays((1, 11, 9, 4))
    layer = layers.Conv2D(6, 3, padding="same", dilation_rate=2, use_bias=False)
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    model.save_weights(tmp_path / "first.weights.h5")
    in_graph, variable = tf.function(model, autograph=False), layer.kernel.value
    other = tf.constant(np.random.default_rng(5).standard_normal(variable.shape), "float32")

    def step() -> None:
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(x) ** 2)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    routes = [
        lambda: None,
        lambda: layer.kernel.assign(other),
        lambda: variable.assign_add(other),
        lambda: variable.assign_sub(0.5 * other),
        lambda: variable.scatter_nd_update([[0, 0, 0, 0]], [7.0]),
        lambda: variable[1, 2].assign(tf.zeros((4, 6))),
        step,
        lambda: model.load_weights(tmp_path / "first.weights.h5"),
        lambda: model.set_weights([np.asarray(other)]),
    ]
    for route in routes:
        route()
        for run in (model, in_graph):
            assert_conv(run(x), x, variable.numpy())


def test_several_threads_at_once():
    x, w = arrays((2, 33, 31, 8), (3, 3, 8, 16))
    expected = ops.conv(x, w, SPEC).numpy()
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            if not np.array_equal(ops.conv(x, w, SPEC), expected):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_the_core_computes_in_a_forked_child():
    """TensorFlow itself does not survive a fork; what it shares with the core, its pool of threads, does."""
    x, w = (np.array(a) for a in arrays((2, 33, 31, 8), (3, 3, 8, 16)))
    expected = ops.conv(x, w, SPEC).numpy()
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if np.array_equal(ops.numpy.conv(x, w, SPEC), expected) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def run_python(script: str, *arguments: Any, **environment: str) -> str:
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


RELOAD = """
    import sys
    import numpy as np
    import tensorflow as tf

    folder, x = sys.argv[1], np.load(sys.argv[2])
    try:
        tf.saved_model.load(folder)
        sys.exit("it loaded without atrous")
    except Exception as error:
        assert "AtrousConv" in str(error), error

    import atrous
    model = tf.saved_model.load(folder)
    with tf.GradientTape() as tape:
        y = model.run(tf.constant(x))
        loss = tf.reduce_sum(y ** 2)
    np.save(sys.argv[3], y)
    np.save(sys.argv[4], tape.gradient(loss, model.kernel))
    for function in (model.run, model.known):
        (concrete,) = function.concrete_functions
        (node,) = [node for node in concrete.graph.get_operations() if node.type == "AtrousConv"]
        print(node.outputs[0].shape.as_list())
"""


@pytest.mark.parametrize("name", ["conv2d", "depthwise2d", "transpose2d"])
def test_autograph_leaves_the_operations_alone(name, monkeypatch):
    said = []
    monkeypatch.setattr(tf.get_logger(), "warning", lambda *message: said.append(message))
    function, x_shape, w_shape, spec = TABLE[name]
    tf.function(lambda x, w: function(x, w, spec)).get_concrete_function(tf.TensorSpec(x_shape), tf.TensorSpec(w_shape))
    assert said == []


def test_saved_function_runs_in_another_process_that_imports_atrous(tmp_path):
    """And without oneDNN. Its shapes are inferred anew there."""
    x, w = arrays((2, 12, 9, 4), (3, 3, 4, 6))
    spec = ConvSpec.parse(2, 3, 2, 2, "same")
    module = tf.Module()
    module.kernel = tf.Variable(w)
    convolve = lambda x: ops.conv(x, module.kernel, spec)  # noqa: E731
    module.run = tf.function(convolve, input_signature=[tf.TensorSpec((None, None, None, 4))], autograph=False)
    module.known = tf.function(convolve, input_signature=[tf.TensorSpec((None, 12, None, 4))], autograph=False)
    tf.saved_model.save(module, str(tmp_path / "saved"))
    files = [tmp_path / name for name in ("x.npy", "y.npy", "dw.npy")]
    np.save(files[0], x)
    shapes = run_python(RELOAD, tmp_path / "saved", *files, TF_ENABLE_ONEDNN_OPTS="0")
    assert shapes.splitlines()[-2:] == ["[None, None, None, 6]", "[None, 6, None, 6]"]
    with tf.GradientTape() as tape:
        y = module.run(x)
        loss = tf.reduce_sum(y**2)
    np.testing.assert_array_equal(np.load(files[1]), y)
    np.testing.assert_array_equal(np.load(files[2]), tape.gradient(loss, module.kernel))
    assert_conv(y, x, w, spec)


# ---- where the path is another ---------------------------------------------------------------------------------------------


def test_jit_callers_take_the_stock_path():
    x, w = arrays(X, W)
    inner = tf.function(lambda x: ops.conv(x, w, SPEC), autograph=False)
    for function in (lambda x: ops.conv(x, w, SPEC), lambda x: inner(x)):
        compiled = tf.function(function, jit_compile=True, autograph=False)
        assert native_nodes(compiled, x) == []
        assert_conv(compiled(x), x, w)


def test_training_with_jit_compile():
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, padding="same", dilation_rate=2)])
    model.compile("sgd", "mse", jit_compile=True)
    model.fit(np.zeros((4, 8, 8, 3)), np.zeros((4, 8, 8, 4)), verbose=0)
    assert model.predict(np.zeros((4, 8, 8, 3)), verbose=0).shape == (4, 8, 8, 4)


@pytest.mark.parametrize("make", [layers.Conv2D, layers.Conv1DTranspose])
def test_layers_say_that_xla_may_compile_them(make):
    assert make(4, 3).supports_jit


def test_a_function_traced_before_its_jit_caller_raises(monkeypatch):
    """A known limit; ATROUS_NATIVE=0 is the remedy."""
    x, w = arrays(X, W)
    inner = tf.function(lambda x: ops.conv(x, w, SPEC), autograph=False)
    inner(x)
    with pytest.raises(tf.errors.InvalidArgumentError, match="AtrousConv"):
        tf.function(lambda x: inner(x), jit_compile=True, autograph=False)(x)
    monkeypatch.setenv("ATROUS_NATIVE", "0")
    inner = tf.function(lambda x: ops.conv(x, w, SPEC), autograph=False)
    inner(x)
    assert_conv(tf.function(lambda x: inner(x), jit_compile=True, autograph=False)(x), x, w)


def test_portable_and_the_environment_turn_it_off(monkeypatch):
    x, w = arrays(X, W)
    convolve = lambda x: ops.conv(x, w, SPEC)  # noqa: E731
    assert native_nodes(tf.function(convolve, autograph=False), x) == ["AtrousConv"]
    with native.portable():
        assert native_nodes(tf.function(convolve, autograph=False), x) == []
    monkeypatch.setenv("ATROUS_NATIVE", "0")
    assert native_nodes(tf.function(convolve, autograph=False), x) == []


def test_where_there_is_a_gpu_only_what_is_placed_on_the_cpu_is_native(monkeypatch):
    monkeypatch.setattr(surroundings, "_accelerator", lambda: "GPU")

    def why(device: str | None) -> str:
        with tf.device(device):
            return ops.path_of(SPEC).why

    def in_graph(device: str | None) -> str:
        return tf.function(lambda: why(device), autograph=False)().numpy().decode()

    assert why("CPU") == in_graph("CPU") == "float32 on a CPU"
    assert "GPU" in in_graph("GPU:0")
    assert "GPU" in in_graph(None)


def test_exported_models_hold_stock_operations_only(tmp_path):
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3, dilation_rate=2), layers.Conv2DTranspose(2, 3)])
    model.predict(np.zeros((1, 9, 9, 3)), verbose=0)
    model.export(tmp_path / "model", format="tf_saved_model", verbose=False)
    assert b"Atrous" not in (tmp_path / "model" / "saved_model.pb").read_bytes()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_converters_that_trace_a_model_themselves_get_stock_operations():
    w = arrays(W)[0]
    convolve = tf.function(lambda x: ops.conv(x, w, SPEC), autograph=False)
    tf2onnx = pytest.importorskip("tf2onnx")
    model, _ = tf2onnx.convert.from_function(convolve, input_signature=[tf.TensorSpec(X, name="x")])
    assert "Conv" in [node.op_type for node in model.graph.node]


def test_time_distributed_over_an_unknown_number_of_steps():
    layer = layers.Conv1D(4, 3, padding="causal", dilation_rate=2)
    model = keras.Sequential([keras.Input((None, 20, 3)), keras.layers.TimeDistributed(layer)])
    (x,) = arrays((2, 5, 20, 3))
    np.testing.assert_allclose(model.predict(x, verbose=0)[:, 3], layer(x[:, 3]), rtol=1e-5, atol=1e-5)


def test_without_onednn():
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        pytest.skip("this is that run")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-k",
        "every_direction",
        str(Path(__file__)),
    ]
    done = subprocess.run(
        command, env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}, capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert done.returncode == 0, done.stdout[-4000:]
