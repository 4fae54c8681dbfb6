"""Whole networks."""

from atrous.models.classifier import DilatedClassifier
from atrous.models.drn import DRN
from atrous.models.resnet import ResNet
from atrous.models.splicenet import SpliceNet
from atrous.models.tcn import TCN
from atrous.models.wavenet import WaveNet

__all__ = ["DRN", "TCN", "DilatedClassifier", "ResNet", "SpliceNet", "WaveNet"]
