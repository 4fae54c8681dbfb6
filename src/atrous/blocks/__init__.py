"""Motifs that networks are made of, one a file."""

from atrous.blocks.unit import ConvNormActivation

__all__ = ["ConvNormActivation"]
