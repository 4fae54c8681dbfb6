"""Dilated (atrous) convolutions for Keras 3: layers, models, receptive fields and training.

Modules are loaded on first use, except layers, blocks and models, which Keras must know before it can load a saved one.
"""

import importlib
from typing import TYPE_CHECKING, Any

from atrous._backend import prepare

if TYPE_CHECKING:
    from atrous import blocks, data, field, layers, models, ops, plots, recipes, report, spec, streaming, surgery, tiled
    from atrous.board import FieldBoard
    from atrous.ops.native import portable
    from atrous.surgery import accelerate, explain, export, to_keras, to_output_stride
    from atrous.workflow import evaluate, predict, train

MODULES = (
    "blocks",
    "data",
    "field",
    "layers",
    "models",
    "ops",
    "plots",
    "recipes",
    "report",
    "spec",
    "streaming",
    "surgery",
    "tiled",
)
FUNCTIONS = {
    "FieldBoard": "atrous.board",
    "accelerate": "atrous.surgery",
    "evaluate": "atrous.workflow",
    "explain": "atrous.surgery",
    "export": "atrous.surgery",
    "portable": "atrous.ops.native",
    "predict": "atrous.workflow",
    "to_keras": "atrous.surgery",
    "to_output_stride": "atrous.surgery",
    "train": "atrous.workflow",
}

__version__ = "0.1.0"
__all__ = [
    "FieldBoard",
    "accelerate",
    "blocks",
    "data",
    "evaluate",
    "explain",
    "export",
    "field",
    "layers",
    "models",
    "ops",
    "plots",
    "portable",
    "predict",
    "recipes",
    "report",
    "spec",
    "streaming",
    "surgery",
    "tiled",
    "to_keras",
    "to_output_stride",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return importlib.import_module(f"atrous.{name}")
    if name in FUNCTIONS:
        return getattr(importlib.import_module(FUNCTIONS[name]), name)
    raise AttributeError(f"module 'atrous' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


prepare()
