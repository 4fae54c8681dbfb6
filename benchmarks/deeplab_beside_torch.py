"""Images a second of DeepLabv3+, trained and used: ours, the same on stock Keras layers, segmentation_models.pytorch's.

    python -m benchmarks.deeplab_beside_torch [--encoder resnet18] [--batch-size 8] [--size 192]

The network is `segmentation_models_pytorch.DeepLabV3Plus` as that library makes it (separable ASPP and decoder, 256 channels);
ours is built here of the same layers, one by one, with as many weights; `atrous.to_keras` makes the stock one of ours. Each is
a process of its own; they take turns on one core. PyTorch runs in eager mode, in whichever memory format is faster.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
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
CLASSES = 21
RATES = (6, 12, 18)  # at output stride 16; twice as much at 8


def main(
    encoder: Annotated[str, typer.Option(help="resnet18, resnet34 or resnet50.")] = "resnet50",
    size: Annotated[int, typer.Option(help="Pixels a side.")] = 256,
    output_stride: Annotated[int, typer.Option(help="8 or 16.")] = 8,
    batch_size: Annotated[int, typer.Option(help="Images a step.")] = 2,
    repeats: Annotated[int, typer.Option(help="Turns of each network, behind one that isn't counted.")] = 5,
    core: Annotated[int | None, typer.Option(help="The core; the last by default.")] = None,
) -> None:
    """Prints images a second and ratios, and ends with status 1 where ours is slower."""
    os.environ.update(dict.fromkeys(THREADS, "1"), TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    pin(cores_of(core, every=False))
    table = Table("what", *(f"{kind}, images/s" for kind in KINDS), "over stock Keras", "over torch", "parameters")
    faster = True
    for what in ("inference", "training"):
        seconds, parameters = _measure(what, (encoder, size, output_stride, batch_size), repeats)
        ratios = [seconds[kind] / seconds["atrous"] for kind in KINDS[1:]]
        faster &= min(ratios) >= 1
        speeds = (f"{batch_size / seconds[kind]:.2f}" for kind in KINDS)
        table.add_row(what, *speeds, *(f"{ratio:.2f}" for ratio in ratios), " ".join(f"{n:,}" for n in sorted(parameters)))
    console().print(f"DeepLabv3+ on {encoder}, {batch_size}×{size}×{size}×3, output stride {output_stride}, one core", table)
    raise typer.Exit(not faster)


def _measure(what: str, case: tuple[Any, ...], repeats: int) -> tuple[dict[str, float], set[int]]:
    """Median seconds of each kind, and the numbers of weights that are trained."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Any] = {}
    parameters = set()
    for kind in KINDS:
        pipes[kind], theirs = context.Pipe()
        context.Process(target=_work, args=(theirs, kind, what, *case), daemon=True).start()
        parameters.add(pipes[kind].recv())  # one after the other gets ready
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for turn in range(1 + repeats):
        for kind in KINDS:
            pipes[kind].send("run")
            took = pipes[kind].recv()
            if turn:
                seconds[kind].append(took)
    for kind in KINDS:
        pipes[kind].send("stop")
        print(f"{what}, {kind}: {' '.join(f'{each:.3f}' for each in seconds[kind])} s", flush=True)
    return {kind: median(each) for kind, each in seconds.items()}, parameters


def _work(pipe: Connection, kind: str, what: str, *case: Any) -> None:
    """The process of one network: it waits for orders, asleep."""
    call, parameters = (_torch if kind == "torch" else _keras)(kind, what, *case)
    pipe.send(parameters)
    while pipe.recv() == "run":
        start = time.perf_counter()
        call()
        pipe.send(time.perf_counter() - start)


def _data(size: int, batch_size: int) -> tuple[Any, Any]:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(batch_size, size, size, 3)).astype("float32")
    return x, draw.integers(0, CLASSES, (batch_size, size, size))


def _keras(kind: str, what: str, encoder: str, size: int, output_stride: int, batch_size: int) -> tuple[Callable[[], Any], int]:
    import keras

    import atrous

    model = network(encoder, size, output_stride)
    if kind == "keras":
        model = atrous.to_keras(model)
        assert not any(type(layer).__module__.startswith("atrous") for layer in model._flatten_layers())
    trained = sum(int(np.prod(each.shape)) for each in model.trainable_variables)
    x, y = _data(size, batch_size)
    if what == "inference":
        return lambda: model.predict_on_batch(x), trained
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return lambda: model.train_on_batch(x, y), trained


def network(encoder: str, size: int, output_stride: int) -> Any:
    """What segmentation_models_pytorch's `DeepLabV3Plus` is, of our layers."""
    import keras

    from atrous import layers
    from atrous.blocks import ResizeLike
    from atrous.models.backbone import backbone_maps

    def unit(x: Any, filters: int, kernel_size: int, rate: int = 1) -> Any:
        conv = layers.Conv2D if kernel_size == 1 else layers.SeparableConv2D
        x = conv(filters, kernel_size, padding="same", dilation_rate=rate, use_bias=False)(x)
        return keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))

    maps = backbone_maps(encoder.replace("resnet", "resnet_"), output_stride, (size, size, 3))
    rates = [rate * 16 // output_stride for rate in RATES]
    branches = [unit(maps.high, 256, 1), *(unit(maps.high, 256, 3, rate) for rate in rates)]
    mean = unit(keras.layers.GlobalAveragePooling2D(keepdims=True)(maps.high), 256, 1)
    branches.append(ResizeLike()([mean, maps.high]))
    x = keras.layers.Dropout(0.5)(unit(keras.layers.Concatenate()(branches), 256, 1))
    x = unit(x, 256, 3)
    low = unit(maps.low, 48, 1)
    x = unit(keras.layers.Concatenate()([ResizeLike()([x, low]), low]), 256, 3)
    return keras.Model(maps.inputs, ResizeLike()([layers.Conv2D(CLASSES, 1)(x), maps.inputs]))


def _torch(kind: str, what: str, encoder: str, size: int, output_stride: int, batch_size: int) -> tuple[Callable[[], Any], int]:
    import torch

    if (
        torch.version.cuda is None
    ):  # torchvision's wheel may be one for CUDA, without which its operators (unused here) are missing
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import segmentation_models_pytorch

    torch.set_num_threads(1)
    images, labels = _data(size, batch_size)
    calls = {}
    for layout in (torch.contiguous_format, torch.channels_last):
        model = segmentation_models_pytorch.DeepLabV3Plus(
            encoder,
            encoder_weights=None,
            classes=CLASSES,
            encoder_output_stride=output_stride,
            decoder_atrous_rates=tuple(rate * 16 // output_stride for rate in RATES),
        ).to(memory_format=layout)
        x = torch.from_numpy(np.moveaxis(images, -1, 1).copy()).to(memory_format=layout)
        y = torch.from_numpy(labels)
        calls[layout] = _torch_step(model, x, y) if what == "training" else _torch_inference(model, x)
    seconds = {layout: min(_timed(call) for _ in range(3)) for layout, call in calls.items()}
    return calls[min(seconds, key=lambda layout: seconds[layout])], sum(each.numel() for each in model.parameters())


def _torch_inference(model: Any, x: Any) -> Callable[[], Any]:
    import torch

    model.eval()

    def call() -> Any:
        with torch.inference_mode():
            return model(x)

    return call


def _torch_step(model: Any, x: Any, y: Any) -> Callable[[], Any]:
    import torch

    model.train()
    optimizer, loss = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9), torch.nn.CrossEntropyLoss()

    def call() -> Any:
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    return call


def _timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    typer.run(main)
