import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrous.data import ArraySplit, Batches, Split


def numbered(n: int) -> ArraySplit:
    """n images of one pixel, whose value is their number."""
    return ArraySplit(np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1), np.arange(n) % 3, "train")


class Recorder(keras.layers.Layer):
    """Remembers the pixels it was trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def call(self, x, training=None):
        if training:
            self.seen += keras.ops.convert_to_numpy(x).astype(int).reshape(-1).tolist()
        return x


class RecorderModel(keras.Sequential):
    def __init__(self, build: bool) -> None:
        recorder = Recorder()
        super().__init__([recorder, keras.layers.Flatten(), keras.layers.Dense(3)])
        self.recorder = recorder
        if build:
            self.build((None, 1, 1, 1))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.compile("sgd", loss, run_eagerly=True, jit_compile=False)


def orders(batches: Batches, epochs: range) -> list[int]:
    return [int(i) for epoch in epochs for i in batches.order(epoch)]


def test_a_batch_is_float_pixels_and_int_labels() -> None:
    images, labels = Batches(numbered(10), 4)[2]
    assert images.dtype == np.float32
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(images.reshape(-1), [8, 9])  # the last batch is smaller, not dropped
    np.testing.assert_array_equal(labels, [8 % 3, 9 % 3])


@given(st.integers(1, 60), st.integers(1, 20), st.none() | st.integers(0, 9), st.integers(0, 9), st.integers(0, 3))
def test_an_epoch_has_every_example_once(n: int, batch_size: int, seed: int | None, epoch: int, prefetch: int) -> None:
    batches = Batches(numbered(n), batch_size, seed, prefetch)
    batches.epoch = epoch
    seen = np.concatenate([images.reshape(-1) for images, _ in batches])
    np.testing.assert_array_equal(seen, batches.order(epoch))
    assert sorted(seen) == list(range(n))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    first, second = Batches(numbered(50), 8, shuffle_seed=3), Batches(numbered(50), 8, shuffle_seed=3)
    np.random.default_rng(0).random(5)
    np.testing.assert_array_equal(first.order(4), second.order(4))
    assert not np.array_equal(first.order(4), first.order(5))
    assert not np.array_equal(first.order(4), Batches(numbered(50), 8, shuffle_seed=4).order(4))


@pytest.mark.parametrize("n", [4, 30])  # one batch; several, the last of them partial
@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("build", [True, False])  # to build a model, `fit` looks at a batch before the first epoch
def test_fit_sees_the_order_of_each_epoch(n: int, prefetch: int, build: bool) -> None:
    batches, model = Batches(numbered(n), 4, 7, prefetch), RecorderModel(build)
    model.fit(batches, epochs=3, shuffle=False, verbose=0)
    assert model.recorder.seen == orders(batches, range(3))


@pytest.mark.parametrize("build", [True, False])
def test_fit_resumes_at_the_epoch_that_is_set(build: bool) -> None:
    batches, model = Batches(numbered(30), 4, 7, prefetch=3), RecorderModel(build)
    batches.epoch = 2
    model.fit(batches, initial_epoch=2, epochs=5, shuffle=False, verbose=0, validation_data=Batches(numbered(9), 2))
    assert model.recorder.seen == orders(batches, range(2, 5))


def test_epoch_can_be_set_as_each_epoch_begins() -> None:
    batches, model = Batches(numbered(30), 4, 7, prefetch=3), RecorderModel(False)

    class Follow(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            batches.epoch = epoch

    model.fit(batches, initial_epoch=5, epochs=8, shuffle=False, verbose=0, callbacks=[Follow()])
    assert model.recorder.seen == orders(batches, range(5, 8))


def test_changing_the_epoch_forgets_what_was_read_ahead() -> None:
    batches = Batches(numbered(30), 4, 7, prefetch=4)
    batches[0]
    batches.epoch = 1
    np.testing.assert_array_equal(batches[1][0].reshape(-1), batches.order(1)[4:8])


def test_an_unreadable_example_fails_its_own_batch() -> None:
    class Broken(Split):
        labels = np.zeros(6, np.int64)

        def images(self, indices):
            if 3 in np.asarray(indices):
                raise ValueError("'three.jpg' is broken")
            return np.zeros((len(indices), 1, 1, 1), np.uint8)

        def name(self, index: int) -> str:
            return str(index)

    batches = Batches(Broken(), 2, prefetch=2)
    assert len(batches[0][1]) == 2
    with pytest.raises(ValueError, match=r"three\.jpg"):
        batches[1]
    assert len(batches[2][1]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be positive. Received: batch_size=0"),
        ({"shuffle_seed": -1}, "`shuffle_seed` must not be negative. Received: shuffle_seed=-1"),
        ({"prefetch": -1}, "`prefetch` must not be negative. Received: prefetch=-1"),
        ({"split": numbered(0)}, "`split` must have at least one example."),
    ],
)
def test_bad_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Batches(**{"split": numbered(4), "batch_size": 2, **arguments})


def test_index_out_of_range() -> None:
    with pytest.raises(IndexError, match="index=2"):
        Batches(numbered(4), 2)[2]
