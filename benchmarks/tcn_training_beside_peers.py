"""Processor time of a training step of the TCNs of our recipes: ours, the same on stock Keras layers, and in PyTorch.

    python -m benchmarks.tcn_training_beside_peers [--repeats 7] [--only copy-memory,jsb]

The networks are those of Bai, Kolter, Koltun 2018 (arXiv 1803.01271) as the recipes have them: copy memory, T = 500, the
adding problem, T = 200, JSB chorales and Nottingham, with batches of the sizes that are shown. The stock network is the same
model, built while `keras.layers.Conv1D` stands in the place of our convolution, below the weight normalisation, too. PyTorch's
is written here after the paper: two causal convolutions a block, weight normalisation, a 1×1 where channels change, in eager
mode. All have as many weights; those of ours and stock Keras are the same numbers and give the same outputs. Each is a process
of its own; they take turns on one core.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from benchmarks.deeplab_beside_stock_keras import THREADS
from benchmarks.report import console
from benchmarks.worker import cores_of, pin

KINDS = ("atrous", "keras", "torch")


@dataclass(frozen=True)
class Case:
    """What is trained.

    Args:
        task: Whose recipe it is.
        kind: Of the data, for the recipe.
        batch_size: Sequences.
        steps: Of each.
    """

    task: str
    kind: str
    batch_size: int
    steps: int


CASES = {
    "copy-memory": Case("copy-memory", "", 32, 520),
    "adding-problem": Case("adding-problem", "", 32, 200),
    "jsb": Case("music", "jsb-chorales", 8, 64),
    "nottingham": Case("music", "nottingham", 8, 256),
}


def main(
    only: Annotated[str, typer.Option(help="Which, with commas between.")] = ",".join(CASES),
    repeats: Annotated[int, typer.Option(help="Turns of each network, behind one that isn't counted.")] = 7,
    steps: Annotated[int, typer.Option(help="Training steps a turn.")] = 4,
    core: Annotated[int | None, typer.Option(help="The core; the last by default.")] = None,
) -> None:
    """Prints milliseconds a step and ratios, and ends with status 1 where ours is slower."""
    os.environ.update(dict.fromkeys(THREADS, "1"), TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    pin(cores_of(core, every=False))
    table = Table("network", "batch", *(f"{kind}, ms/step" for kind in KINDS), "over stock Keras", "over torch", "parameters")
    faster = True
    for name in only.split(","):
        seconds, parameters = _measure(name, repeats, steps)
        assert len(parameters) == 1, f"networks of different sizes: {parameters}"
        ratios = [seconds[kind] / seconds["atrous"] for kind in KINDS[1:]]
        faster &= min(ratios) >= 1
        case = CASES[name]
        cells = (f"{1000 * seconds[kind]:.1f}" for kind in KINDS)
        shape = f"{case.batch_size}×{case.steps}"
        table.add_row(name, shape, *cells, *(f"{ratio:.2f}" for ratio in ratios), f"{parameters.pop():,}")
    console().print("A training step (Adam, gradients clipped as the recipe says), one core, medians", table)
    raise typer.Exit(not faster)


def _measure(name: str, repeats: int, steps: int) -> tuple[dict[str, float], set[int]]:
    """Median seconds of a step of each kind, and the numbers of weights; ours and stock Keras must say the same."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Any] = {}
    parameters, said = set(), {}
    for kind in KINDS:
        pipes[kind], theirs = context.Pipe()
        context.Process(target=_work, args=(theirs, kind, name, steps), daemon=True).start()
        count, said[kind] = pipes[kind].recv()  # one after the other gets ready
        parameters.add(count)
    np.testing.assert_allclose(said["atrous"], said["keras"], rtol=1e-3, atol=1e-4)
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for turn in range(1 + repeats):
        for kind in KINDS:
            pipes[kind].send("run")
            took = pipes[kind].recv()
            if turn:
                seconds[kind].append(took)
    for kind in KINDS:
        pipes[kind].send("stop")
        print(f"{name}, {kind}: {' '.join(f'{1000 * each:.1f}' for each in seconds[kind])} ms/step", flush=True)
    return {kind: median(each) for kind, each in seconds.items()}, parameters


def _work(pipe: Connection, kind: str, name: str, steps: int) -> None:
    """The process of one network: it waits for orders, asleep."""
    call, parameters, said = (_torch if kind == "torch" else _keras)(kind, name)
    pipe.send((parameters, said))
    while pipe.recv() == "run":
        start = time.process_time()
        for _ in range(steps):
            call()
        pipe.send((time.process_time() - start) / steps)


def _recipe(name: str) -> Any:
    from atrous import recipes

    return recipes.find(CASES[name].task, CASES[name].kind)


def data(name: str) -> tuple[Any, Any]:
    """A batch as the task makes it: inputs and targets."""
    case, draw = CASES[name], np.random.default_rng(0)
    if case.task == "copy-memory":
        from atrous.tasks.copy_memory.data import draw as drawn

        x, y = drawn(draw, case.batch_size, case.steps - 20)
        return x.astype(np.float32), y.astype(np.int32)
    if case.task == "adding-problem":
        from atrous.tasks.adding_problem.data import draw as added

        return added(draw, case.batch_size, case.steps)
    roll = (draw.random((case.batch_size, case.steps + 1, 88)) < 0.045).astype(np.float32)
    return roll[:, :-1], roll[:, 1:]


# ---- ours, and stock Keras -------------------------------------------------------------------------------------------------


def _keras(kind: str, name: str) -> tuple[Callable[[], Any], int, Any]:
    import keras

    from atrous import tasks
    from atrous.tasks.sequence_modelling.network import build

    recipe = _recipe(name)
    keras.utils.set_random_seed(0)
    if kind == "keras":
        _stock()
    model = build(recipe, "float32")
    if kind == "keras":
        assert not [layer for layer in model._flatten_layers() if type(layer).__module__.startswith("atrous.layers")]
    x, y = data(name)
    said = np.asarray(model.predict_on_batch(x))

    class Config:
        def __init__(self) -> None:
            self.recipe = recipe

    optimizer = keras.optimizers.Adam(recipe.learning_rate, global_clipnorm=recipe.clip or None)
    model.compile(optimizer, **tasks.find(recipe.task).measures(Config()), auto_scale_loss=False)
    return lambda: model.train_on_batch(x, y), model.count_params(), said


def _stock() -> None:
    """Puts `keras.layers.Conv1D` in the place of ours, below the weight normalisation, too."""
    import keras

    from atrous.blocks import temporal

    class StockWeightNorm(keras.layers.Conv1D):
        """`WeightNormConv1D` on Keras's own layer: kernel g·v / ‖v‖."""

        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            self.scale = self.add_weight(
                name="scale", shape=(self.filters,), initializer=lambda *_, **__: temporal._norm(self._kernel)
            )

        @property
        def kernel(self) -> Any:
            return self._kernel * (self.scale / temporal._norm(self._kernel))

    temporal.WeightNormConv1D, temporal.Conv1D = StockWeightNorm, keras.layers.Conv1D  # type: ignore[misc, assignment]


# ---- PyTorch ---------------------------------------------------------------------------------------------------------------


def _torch(kind: str, name: str) -> tuple[Callable[[], Any], int, Any]:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    recipe = _recipe(name)
    model = _network(recipe).train()
    x, y = data(name)
    inputs, targets = torch.from_numpy(x).transpose(1, 2).contiguous(), torch.from_numpy(np.asarray(y))
    optimizer = torch.optim.Adam(model.parameters(), recipe.learning_rate)

    def loss(said: Any) -> Any:
        if recipe.task == "copy-memory":
            return torch.nn.functional.cross_entropy(said, targets.long())
        if recipe.task == "adding-problem":
            return torch.nn.functional.mse_loss(said[..., -1], targets)
        each = torch.nn.functional.binary_cross_entropy_with_logits(said, targets.transpose(1, 2), reduction="none")
        return each.sum(dim=1).mean()

    def call() -> Any:
        optimizer.zero_grad()
        loss(model(inputs)).backward()
        if recipe.clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()

    return call, sum(each.numel() for each in model.parameters()), None


def _network(recipe: Any) -> Any:
    """The published network: (batch, channels, steps) to (batch, outputs, steps), or to the last step alone."""
    import torch
    from torch import nn
    from torch.nn.utils.parametrizations import weight_norm

    class Causal(nn.Module):
        """Weight-normalised convolution, without the steps that see the future, ReLU, dropout."""

        def __init__(self, before: int, after: int, taps: int, rate: int) -> None:
            super().__init__()
            self.behind = (taps - 1) * rate
            self.conv = weight_norm(nn.Conv1d(before, after, taps, padding=self.behind, dilation=rate))
            self.dropout = (nn.Dropout1d if recipe.spatial_dropout else nn.Dropout)(recipe.dropout)

        def forward(self, x: Any) -> Any:
            return self.dropout(torch.relu(self.conv(x)[..., : -self.behind]))

    class Block(nn.Module):
        """Two of them, and what came in."""

        def __init__(self, before: int, after: int, taps: int, rate: int) -> None:
            super().__init__()
            self.inner = nn.Sequential(Causal(before, after, taps, rate), Causal(after, after, taps, rate))
            self.skip = nn.Conv1d(before, after, 1) if before != after else nn.Identity()

        def forward(self, x: Any) -> Any:
            return torch.relu(self.inner(x) + self.skip(x))

    class Last(nn.Module):
        """The last step, where nothing else counts."""

        def forward(self, x: Any) -> Any:
            return x[..., -1:] if recipe.last else x

    widths = (recipe.channels, *(recipe.filters for _ in recipe.schedule))
    blocks = [Block(widths[i], widths[i + 1], recipe.kernel_size, rate) for i, rate in enumerate(recipe.schedule)]
    first = [nn.Dropout(recipe.input_dropout)] if recipe.input_dropout else []
    return nn.Sequential(*first, *blocks, Last(), nn.Conv1d(widths[-1], recipe.outputs, 1))


if __name__ == "__main__":
    typer.run(main)
