"""Rewrites of Keras models that exist: faster, portable, or dilated, same weights. And which path each layer takes."""

from atrous.surgery.explaining import explain
from atrous.surgery.explanation import Explanation, Row
from atrous.surgery.exporting import export
from atrous.surgery.importing import ImportReport, import_weights, parity
from atrous.surgery.rewriting import accelerate, to_keras
from atrous.surgery.state_dict import read_state_dict
from atrous.surgery.striding import to_output_stride

__all__ = [
    "Explanation",
    "ImportReport",
    "Row",
    "accelerate",
    "explain",
    "export",
    "import_weights",
    "parity",
    "read_state_dict",
    "to_keras",
    "to_output_stride",
]
