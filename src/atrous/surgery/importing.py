"""Weights of PyTorch into a Keras model, by name, with a report of what went where and how near the two networks are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from atrous.surgery.state_dict import read_state_dict

COUNTERS = "num_batches_tracked"
"""Of PyTorch's batch normalisation: no weight."""

DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
Names = Mapping[str, str] | Callable[[str], str | None]


@dataclass(frozen=True)
class ImportedWeight:
    """A weight of the model.

    Args:
        path: Of the Keras variable, such as `"stem/conv/kernel"`.
        name: In the file; `None` where the map leaves the weight alone.
        shape: Of the Keras variable.
        found: Shape in the file, as PyTorch has it; `None` where it is missing.
        difference: Greatest difference between the file's numbers and the model's after import, which precision makes; `None`
            where nothing was imported.
    """

    path: str
    name: str | None
    shape: tuple[int, ...]
    found: tuple[int, ...] | None
    difference: float | None


@dataclass(frozen=True)
class ImportReport:
    """What `import_weights` did.

    Args:
        rows: Every weight of the model, in order.
        unexpected: Names in the file that no weight took.
    """

    rows: tuple[ImportedWeight, ...]
    unexpected: tuple[str, ...]

    @property
    def imported(self) -> tuple[ImportedWeight, ...]:
        """Weights that came from the file."""
        return tuple(row for row in self.rows if row.difference is not None)

    @property
    def missing(self) -> tuple[ImportedWeight, ...]:
        """Weights that the file should have and hasn't."""
        return tuple(row for row in self.rows if row.name is not None and row.found is None)

    @property
    def mismatched(self) -> tuple[ImportedWeight, ...]:
        """Weights whose shape in the file is another."""
        return tuple(row for row in self.rows if row.found is not None and row.difference is None)

    @property
    def left(self) -> tuple[ImportedWeight, ...]:
        """Weights that the map leaves alone."""
        return tuple(row for row in self.rows if row.name is None)

    def __str__(self) -> str:
        counts = [f"{len(self.imported)} of {len(self.rows)} weights found in their shape"]
        counts += [f"{len(rows)} {what}" for what, rows in self._troubles().items() if rows]
        lines = [", ".join(counts)]
        lines += [f"  missing: {row.path} {row.shape}, called {row.name} in the file" for row in self.missing]
        lines += [f"  other shape: {row.path} {row.shape}, {row.name} {row.found} in the file" for row in self.mismatched]
        lines += [f"  left alone: {row.path}" for row in self.left]
        lines += [f"  unexpected: {name}" for name in self.unexpected]
        return "\n".join(lines)

    def _troubles(self) -> dict[str, Any]:
        return {
            "missing": self.missing,
            "of another shape": self.mismatched,
            "left alone": self.left,
            "unexpected": self.unexpected,
        }


def import_weights(
    model: keras.Model, source: str | Path | Mapping[str, Any], names: Names | None = None, strict: bool = True
) -> ImportReport:
    """Gives a model the weights of a PyTorch network.

    Layouts are turned: kernels (out, in, *taps) become (*taps, in, out), also those of depthwise and transposed convolutions;
    linear layers are transposed; a linear layer becomes a convolution, or a 1×1 convolution a dense layer, where the model has
    it so. Batch normalisation has γ, β, mean and variance.

    Args:
        model: A built model.
        source: A `.safetensors` or `.pth` file (see `read_state_dict`), or arrays by name.
        names: From the path of a Keras variable to the name in the file: a dictionary, or a function, where `None` means that
            the weight stays as it is. `atrous.models.torch_names` has those of the built-in networks. `None`: paths with dots
            in the place of slashes.
        strict: Whether a weight that the file lacks, or has in another shape, is an error. Then the model isn't changed.

    Returns:
        What was imported, what is missing, mismatched, left alone, unexpected; `print` shows it.

    Raises:
        ValueError: With `strict`, a weight is missing or of another shape; the file can't be read.
    """
    arrays = read_state_dict(source) if isinstance(source, (str, Path)) else {k: np.asarray(v) for k, v in source.items()}
    owners = _owners(model)
    plan: list[tuple[Any, str | None, np.ndarray | None]] = []
    for weight in model.weights:
        name = _name(names, weight.path)
        found = None if name is None else arrays.get(name)
        plan.append((weight, name, None if found is None else _turned(found, owners[id(weight)], weight)))
    used = {name for _, name, _ in plan}
    unexpected = tuple(name for name in arrays if name not in used and not name.endswith(COUNTERS))
    report = ImportReport(tuple(_row(weight, name, array, arrays) for weight, name, array in plan), unexpected)
    if strict and (report.missing or report.mismatched):
        raise ValueError(
            "`source` must have every weight of the model in its shape; correct `names`, or say `strict=False`. "
            f"Received: {report}"
        )
    for weight, _, array in plan:
        if array is not None:
            weight.assign(keras.ops.cast(array, weight.dtype))
    return ImportReport(tuple(_row(weight, name, array, arrays) for weight, name, array in plan), unexpected)


def _name(names: Names | None, path: str) -> str | None:
    if names is None:
        return path.replace("/", ".")
    return names(path) if callable(names) else names.get(path)


def _owners(model: keras.Model) -> dict[int, Any]:
    """The layer that each weight belongs to, the innermost."""
    return {id(weight): layer for layer in model._flatten_layers() for weight in layer.weights}


def _row(weight: Any, name: str | None, array: np.ndarray | None, arrays: Mapping[str, np.ndarray]) -> ImportedWeight:
    found = arrays[name].shape if name is not None and name in arrays else None
    difference = None
    if array is not None:
        now = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(weight, "float32")), "float64")
        difference = float(np.abs(now - array.astype("float64")).max(initial=0.0))
    return ImportedWeight(weight.path, name, tuple(weight.shape), found, difference)


def _turned(array: np.ndarray, layer: Any, weight: Any) -> np.ndarray | None:
    """An array of PyTorch in Keras's layout; `None` where its shape is another."""
    shape = tuple(weight.shape)
    if len(shape) < 2:
        return array if array.shape == shape else None
    *taps, channels, filters = shape
    if isinstance(layer, DEPTHWISE) or weight.path.endswith("depthwise_kernel"):
        if array.shape != (channels * filters, 1, *taps):
            return None
        return np.moveaxis(array.reshape(channels, filters, *taps), (0, 1), (-2, -1))
    flat = (filters, channels * int(np.prod(taps)))
    ones = (filters, channels, *[1] * (array.ndim - 2))
    if array.shape not in ((filters, channels, *taps), flat, ones if not taps else flat):
        return None
    return np.moveaxis(array.reshape(filters, channels, *taps), (0, 1), (-1, -2))


@dataclass(frozen=True)
class Parity:
    """How near a layer is to what it should give.

    Args:
        layer: Its name.
        difference: Greatest difference.
        largest: Greatest value of the reference.
    """

    layer: str
    difference: float
    largest: float


def parity(model: keras.Model, inputs: Any, reference: Mapping[str, Any], channels_first: bool = True) -> tuple[Parity, ...]:
    """Compares layers' outputs with those of another network, layer by layer: the first that differs is where to look.

    Args:
        model: A functional model.
        inputs: What it takes, channels last.
        reference: By name of a layer of the model, what the other network has there.
        channels_first: Whether maps of the reference are (batch, channels, *space).

    Returns:
        A row for each layer, in the order of the model.

    Raises:
        ValueError: There is no such layer, or its output has another shape.
    """
    order = [layer.name for layer in model.layers]
    if unknown := [name for name in reference if name not in order]:
        raise ValueError(f"`reference` must have names of layers of the model. Received: {unknown}.")
    names = sorted(reference, key=order.index)
    outputs = keras.Model(model.input, [model.get_layer(name).output for name in names])(inputs)
    rows = []
    for name, tensor in zip(names, outputs if isinstance(outputs, (list, tuple)) else [outputs], strict=True):
        actual = np.asarray(keras.ops.convert_to_numpy(tensor), "float64")
        expected = np.asarray(reference[name], "float64")
        if channels_first and expected.ndim > 2:
            expected = np.moveaxis(expected, 1, -1)
        if actual.shape != expected.shape:
            raise ValueError(
                f"`reference` must have the shapes of the model's maps. Received: {name!r} of shape {expected.shape}, which is "
                f"{actual.shape} in the model."
            )
        rows.append(Parity(name, float(np.abs(actual - expected).max()), float(np.abs(expected).max())))
    return tuple(rows)
