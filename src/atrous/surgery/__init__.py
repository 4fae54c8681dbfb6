"""Rewrites of Keras models that exist: faster, portable, or dilated, same weights. And which path each layer takes."""

from atrous.surgery.explaining import explain
from atrous.surgery.explanation import Explanation, Row
from atrous.surgery.exporting import export
from atrous.surgery.rewriting import accelerate, to_keras
from atrous.surgery.striding import to_output_stride

__all__ = ["Explanation", "Row", "accelerate", "explain", "export", "to_keras", "to_output_stride"]
