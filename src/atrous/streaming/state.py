"""The state of a stream in a file, which knows what model it is of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from atrous.field.graph import Use
from atrous.run import replacing
from atrous.streaming.plan import Plan

_FINGERPRINT, _PREFIX = "fingerprint", "state."


def fingerprint(model: Any, plan: Plan) -> str:
    """A hash of a model's layers in order, and of its weights; what the layers are called doesn't matter."""
    digest = hashlib.sha256()
    for stage in plan.stages:
        use = stage.use
        digest.update(json.dumps([type(use.layer).__name__, use.inputs, use.outputs, _config(use)]).encode())
    for weight in model.weights:
        values = np.ascontiguousarray(ops.convert_to_numpy(weight))
        digest.update(f"{values.dtype} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _config(use: Use) -> str:
    """What a layer or operation was made with, and is called with."""
    config = use.layer.get_config() if isinstance(use.layer, keras.Layer) else vars(use.layer)
    return json.dumps([_nameless(config), [*use.call.args], dict(use.call.kwargs)], sort_keys=True, default=_said)


def _nameless(config: Any) -> Any:
    if isinstance(config, (list, tuple)):
        return [_nameless(value) for value in config]
    if not isinstance(config, dict):
        return config
    return {key: _nameless(value) for key, value in config.items() if key != "name" and not key.startswith("_")}


def _said(value: Any) -> Any:
    if isinstance(value, keras.KerasTensor):
        return "tensor"
    return str(value) if isinstance(value, (slice, type(Ellipsis))) else getattr(value, "__name__", type(value).__name__)


def save(path: str | Path, state: Mapping[str, np.ndarray], mark: str) -> None:
    """Writes a state beside, then renames it: what was there stays whole if it fails."""
    arrays = {_FINGERPRINT: np.array(mark), **{_PREFIX + name: value for name, value in state.items()}}
    with replacing(Path(path)) as temporary:
        try:
            with temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def load(path: str | Path, mark: str) -> dict[str, np.ndarray]:
    """Reads a state.

    Raises:
        ValueError: It is no such file, or of another model.
    """
    try:
        with Path(path).open("rb") as file:
            arrays = dict(np.load(file, allow_pickle=False))
        found = str(arrays.pop(_FINGERPRINT))
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever a damaged file makes of the readers
        raise ValueError(f"`path` must be a file that `Stream.save` wrote. Received: {path} ({error}).") from error
    if found != mark:
        raise ValueError(
            f"`path` must hold a state of this very model, its layers and its weights. Received: {path}, which is of another "
            f"one (fingerprint {found[:12]}…, and not {mark[:12]}…)."
        )
    return {name.removeprefix(_PREFIX): value for name, value in arrays.items()}
