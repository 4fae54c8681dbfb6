"""What was begun and how far it is, beside the file that is being written: so it can go on after a kill."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from atrous.field.graph import Graph
from atrous.run import replacing

Facts = dict[str, Any]


class Journal:
    """Facts about what is being made, the pass and tile to go on with, and the sums of the passes so far.

    Args:
        path: Of the JSON file.
        facts: What the result depends on.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        self.path, self.facts = path, json.loads(json.dumps(facts))

    def begun(self) -> tuple[int, int, list[np.ndarray]]:
        """Where to go on: pass, tile, sums.

        Raises:
            ValueError: What was begun is something else.
        """
        found = json.loads(self.path.read_text(encoding="utf-8"))
        begun = found["facts"]
        others = [name for name, value in self.facts.items() if begun.get(name) != value]
        if others:
            raise ValueError(
                f"{str(self.path)!r} must be of the same {' and '.join(others)}, or nothing can go on from it. Give "
                f"`resume=False` to begin anew. Received: {', '.join(f'{n}={self.facts[n]!r}' for n in others)}; "
                f"begun with {', '.join(f'{n}={begun.get(n)!r}' for n in others)}."
            )
        return found["pass"], found["tile"], [_array(state) for state in found["sums"]]

    def write(self, step: int, tile: int, sums: Sequence[np.ndarray]) -> None:
        """Notes that all tiles before this one are done and on the disk."""
        text = json.dumps({"facts": self.facts, "pass": step, "tile": tile, "sums": [_text(state) for state in sums]})
        with replacing(self.path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


def _text(state: np.ndarray) -> Facts:
    return {"shape": state.shape, "float64": base64.b64encode(state.astype("<f8").tobytes()).decode()}


def _array(state: Facts) -> np.ndarray:
    return np.frombuffer(base64.b64decode(state["float64"]), "<f8").reshape(state["shape"]).copy()


def model_hash(model: Any, graph: Graph) -> str:
    """Of a model's layers, as they are used, and of its weights; not of names, which differ from process to process."""
    found = hashlib.sha256()
    for use in graph.uses:
        config = {}
        if isinstance(use.layer, keras.Layer):
            with contextlib.suppress(NotImplementedError):  # of a class of the user's
                config = {**use.layer.get_config(), "name": use.layer.compute_dtype}
        text = json.dumps(config, default=lambda value: type(value).__name__, sort_keys=True)
        given = [x for x in tree.flatten((use.call.args, dict(use.call.kwargs))) if isinstance(x, (int, float, str))]
        found.update(repr((type(use.layer).__name__, text, given, use.reads, use.inputs, use.outputs)).encode())
    for weight in model.weights:
        found.update(np.ascontiguousarray(ops.convert_to_numpy(weight)).tobytes())
    return found.hexdigest()[:32]


def image_facts(image: Any, source: Any = None) -> Facts:
    """Shape and type of an image, and of its file, if it has one, size and time.

    Args:
        image: Something that slices.
        source: The path that it was read from, if it was.
    """
    facts: Facts = {"shape": list(image.shape), "dtype": str(image.dtype)}
    file = source if isinstance(source, (str, os.PathLike)) else getattr(image, "filename", None)
    if isinstance(file, (str, os.PathLike)) and os.path.exists(file):
        found = os.stat(file)
        facts["file"] = [found.st_size, found.st_mtime_ns]
    return facts


@contextlib.contextmanager
def locked(descriptor: int, path: Path) -> Iterator[None]:
    """Keeps other processes from writing the same file; however the process ends, the lock ends with it.

    Raises:
        BlockingIOError: Another process is at it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(f"{str(path)!r} is being written by another process. Wait for it, or stop it.") from None
    yield
