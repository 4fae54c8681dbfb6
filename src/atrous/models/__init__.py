"""Whole networks."""

from atrous.models.classifier import DilatedClassifier
from atrous.models.splicenet import SpliceNet
from atrous.models.tcn import TCN
from atrous.models.wavenet import WaveNet

__all__ = ["TCN", "DilatedClassifier", "SpliceNet", "WaveNet"]
