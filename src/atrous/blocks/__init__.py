"""Motifs that networks are made of, one a file."""

from atrous.blocks.aspp import ASPP
from atrous.blocks.context import ContextIdentity, ContextModule, FrontEnd
from atrous.blocks.hybrid import HybridDilatedGroup, multi_grid
from atrous.blocks.multiscale import MultiScale
from atrous.blocks.unit import ConvNormActivation

__all__ = [
    "ASPP",
    "ContextIdentity",
    "ContextModule",
    "ConvNormActivation",
    "FrontEnd",
    "HybridDilatedGroup",
    "MultiScale",
    "multi_grid",
]
