"""Dilated (atrous) convolutions for Keras 3: layers, models, receptive fields and training.

Modules are loaded on first use, except layers and models, which Keras must know before it can load a saved one.
"""

import importlib
from typing import TYPE_CHECKING, Any

from atrous._backend import prepare

if TYPE_CHECKING:
    from atrous import data, field, layers, models, ops, plots, recipes, report, spec
    from atrous.workflow import evaluate, predict, train

MODULES = ("data", "field", "layers", "models", "ops", "plots", "recipes", "report", "spec")
FUNCTIONS = {"evaluate": "atrous.workflow", "predict": "atrous.workflow", "train": "atrous.workflow"}

__version__ = "0.1.0"
__all__ = [
    "data",
    "evaluate",
    "field",
    "layers",
    "models",
    "ops",
    "plots",
    "predict",
    "recipes",
    "report",
    "spec",
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
