"""What a network looks at while it learns, for TensorBoard: its table of layers, effective field, and feature maps.

Behind both `field` and `plots`, which know nothing of each other.
"""

from __future__ import annotations

import io
import struct
import time
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from atrous import plots
from atrous.field.analysis import Analysis
from atrous.field.effective import EffectiveField, effective_field
from atrous.field.table import columns, rates_of, summary
from atrous.field.values import values_of
from atrous.plots.style import FONT_SIZE, INK, bare, new_figure

_MOST_LAYERS = 4


class FieldBoard(keras.callbacks.Callback):
    """Writes to TensorBoard, on every backend, what a network could see, what it uses, and what it makes of an example:

    - text: the table of layers with their theoretical fields, and warnings (`atrous.field.analyze`);
    - images: the effective field over the first example, and the feature maps that dilated layers make of it;
    - scalars: how far the effective field extends, so that its growth shows (`atrous.field.effective_field`).

    Step 0 is the model before training, step n after n epochs. Each step costs a forward and a backward pass over the examples,
    and about a second of drawing.

    Args:
        log_dir: Folder of the logs; a file is added to it.
        inputs: A few examples, `(n, *input_shape)`. Images show the first, the field is the mean over all.
        layers: Names of the layers whose feature maps are written. Default: the dilated ones, four of them at most.
        every: Epochs from one step to the next; the last epoch is always written.

    Raises:
        ValueError: An argument is wrong, or, when training begins, doesn't fit the model.
        ImportError: TensorBoard isn't installed.
    """  # noqa: D415 (the sentence goes on in the list)

    def __init__(self, log_dir: str | Path, inputs: Any, layers: Sequence[str] | None = None, every: int = 1) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"`every` must be a positive number of epochs. Received: every={every}.")
        if find_spec("tensorboard") is None:
            raise ImportError("FieldBoard needs TensorBoard: install it with `pip install tensorboard`.")
        self.log_dir = Path(log_dir)
        self.inputs = np.asarray(inputs)
        self.layers = layers
        self.every = every

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Writes the table; the first step follows with the first epoch."""
        self._analysis = Analysis(self.model, self.inputs.shape[1:])
        self._maps = self._chosen_layers()
        self._log = _Log(self.log_dir)
        self._log.text("layers", _table(self._analysis), 0)
        self._step: int | None = None
        self._written: int | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes what the model does before training."""
        if epoch == 0:
            self._write(0)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes what the model does now."""
        self._step = epoch + 1
        if self._step % self.every == 0:
            self._write(self._step)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Writes the last epoch, and closes the file."""
        if self._step is not None and self._written != self._step:
            self._write(self._step)
        self._log.close()

    def _chosen_layers(self) -> dict[str, list[int]]:
        """Spatial dims of the layers whose maps are written, by name."""
        names = self._analysis.graph.names
        dims = {name: dims for name, key in names.items() if (dims := self._spatial(key))}
        if self.layers is None:
            rates = {use.name: rates_of(use.layer) for use in self._analysis.graph.uses}
            dilated = [name for name in dims if max(rates.get(name, ()), default=1) > 1]
            chosen = np.linspace(0, len(dilated) - 1, min(_MOST_LAYERS, len(dilated))).round().astype(int)
            return {dilated[i]: dims[dilated[i]] for i in chosen}
        for name in self.layers:
            if name not in dims:
                raise ValueError(
                    "`layers` must be names of layers that know their place in the input, such as "
                    f"{', '.join(list(dims)[:8])}. Received: {name!r} in layers={list(self.layers)}."
                )
        return {name: dims[name] for name in self.layers}

    def _spatial(self, key: int) -> list[int]:
        """Dims of a tensor that run along the input's axes; none if it has lost one."""
        seen = self._analysis.seen[key]
        dims = [seen.dim_of(axis) for axis in range(len(self._analysis.space))]
        return [d for d in dims if d is not None] if None not in dims else []

    def _write(self, step: int) -> None:
        self._written = step
        try:
            self._write_field(effective_field(self.model, self.inputs), step)
        except ValueError as error:  # units that died are no reason to end a training
            warnings.warn(f"No effective field at step {step}: {error}", stacklevel=2)
        self._write_maps(step)
        self._log.flush()

    def _write_field(self, field: EffectiveField, step: int) -> None:
        for axis, (sigmas, mass) in enumerate(zip(field.two_sigma, field.mass_95, strict=True)):
            self._log.scalar(f"effective field, two sigma/axis {axis}", sigmas, step)
            self._log.scalar(f"effective field, 95 percent/axis {axis}", mass, step)
        example = _last_two(_ordered(self.inputs[0], self._analysis.space))
        self._log.figure(f"effective field/{field.layer}", _drawn(field, example), step)

    def _write_maps(self, step: int) -> None:
        graph = self._analysis.graph
        keys = [graph.names[name] for name in self._maps]
        for (name, dims), value in zip(
            self._maps.items(), values_of(graph, keys, {self._analysis.input_name: self.inputs[:1]}), strict=True
        ):
            activation = keras.ops.convert_to_numpy(keras.ops.cast(value[0], "float32"))
            maps = _last_two(_ordered(activation, dims))
            axes = _rows(maps) if maps.ndim == 2 else plots.feature_maps(maps, limit=32)
            self._log.figure(f"feature maps/{name}", axes, step)


class _Log:
    """A file of TensorBoard's events, written without TensorFlow."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(folder))

    def text(self, tag: str, markdown: str, step: int) -> None:
        from tensorboard.plugins.text.summary_v2 import text_pb

        self._add(text_pb(tag, markdown), step)

    def scalar(self, tag: str, value: float, step: int) -> None:
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        self._add(scalar_pb(tag, np.float32(value)), step)

    def figure(self, tag: str, axes: Axes, step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        png = _png(axes)
        width, height = struct.unpack(">II", png[16:24])  # of the header, which comes first
        image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
        self._add(Summary(value=[Summary.Value(tag=tag, image=image)]), step)

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def _add(self, summary: Any, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))


def _table(analysis: Analysis) -> str:
    """Markdown: a row a layer, then what the output sees, then the warnings."""
    report = analysis.report()
    rows = [(layer.name, type(layer.layer).__name__, *columns(layer, report.input_size)) for layer in report.layers]
    titles = ("layer", "type", "output", "field", "stride", "starts at", "missed")
    lines = [titles, ("---",) * 2 + ("---:",) * 5, *rows]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return "\n\n".join([table, f"**{summary(report)}**", *(f"* {warning}" for warning in report.warnings)])


def _ordered(tensor: np.ndarray, dims: Sequence[int]) -> np.ndarray:
    """The same with its spatial dims first and one last for everything else, `(*spatial, channels)`."""
    moved = np.moveaxis(np.asarray(tensor, "float32"), dims, range(len(dims)))
    return moved.reshape(*moved.shape[: len(dims)], -1)


def _last_two(tensor: np.ndarray) -> np.ndarray:
    """The middle slice of volumes: what is drawn has one axis or two, and channels."""
    while tensor.ndim > 3:
        tensor = tensor[len(tensor) // 2]
    return tensor


def _drawn(field: EffectiveField, example: np.ndarray) -> Axes:
    """The effective field; over the example, whose values are stretched to 0..255, if that is an image."""
    if field.gradient.ndim == 1:
        first, last = field.theoretical[0]
        shares = field.marginals[0][max(first, 0) : last + 1]
        axes = plots.path_profile(shares, max(first, 0), unit="positions")
        axes.set_ylabel("share of the gradient")
        extents = f"±2σ: {field.two_sigma[0]:.1f}, 95 %: {field.mass_95[0]}, theoretical: {last - first + 1} positions"
        axes.set_title(extents, loc="left", fontsize=FONT_SIZE, color=INK)
        return axes
    image = example if example.shape[-1] in (1, 3) else example.mean(axis=-1, keepdims=True)
    low, high = float(image.min()), float(image.max())
    gradient = field.gradient.sum(axis=tuple(range(field.gradient.ndim - 2)))
    rows, columns = field.theoretical[-2:]
    return plots.effective_field(gradient, (image - low) * (255 / ((high - low) or 1)), theoretical=(rows, columns))


def _rows(maps: np.ndarray) -> Axes:
    """Activations of a sequence, `(length, channels)`: a row a channel."""
    figure = new_figure(6.0, 2.6)
    axes = bare(figure.add_subplot())
    image = axes.imshow(maps.T, aspect="auto", cmap="viridis", interpolation="none")
    axes.set_xlabel("position")
    axes.set_ylabel("channel")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, label="activation").outline.set_visible(False)
    return axes


def _png(axes: Axes) -> bytes:
    figure, buffer = axes.figure, io.BytesIO()
    assert isinstance(figure, Figure), "plots draw into whole figures here"
    figure.savefig(buffer, format="png", dpi=100, facecolor="white")
    return buffer.getvalue()
