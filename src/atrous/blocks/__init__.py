"""Motifs that networks are made of, one a file."""

from atrous.blocks.aspp import ASPP
from atrous.blocks.context import ContextIdentity, ContextModule, FrontEnd
from atrous.blocks.hybrid import HybridDilatedGroup, multi_grid
from atrous.blocks.multiscale import MultiScale
from atrous.blocks.residual import BasicBlock, BottleneckBlock
from atrous.blocks.resize import ResizeLike
from atrous.blocks.splice import SpliceBlock
from atrous.blocks.temporal import CausalUnit, LastStep, TemporalBlock, WeightNormConv1D
from atrous.blocks.unit import ConvNormActivation
from atrous.blocks.wavenet import WaveNetBlock

__all__ = [
    "ASPP",
    "BasicBlock",
    "BottleneckBlock",
    "CausalUnit",
    "ContextIdentity",
    "ContextModule",
    "ConvNormActivation",
    "FrontEnd",
    "HybridDilatedGroup",
    "LastStep",
    "MultiScale",
    "ResizeLike",
    "SpliceBlock",
    "TemporalBlock",
    "WaveNetBlock",
    "WeightNormConv1D",
    "multi_grid",
]
