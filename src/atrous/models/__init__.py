"""Whole networks."""

from atrous.models import audio, fcos, forecaster, labels, series_classifier, sound, torch_names
from atrous.models.backbone import freeze
from atrous.models.classifier import DilatedClassifier
from atrous.models.deeplab import DeepLabV3, DeepLabV3Plus
from atrous.models.detector import DilatedDetector
from atrous.models.dilated_net import DilatedNet
from atrous.models.drn import DRN
from atrous.models.resnet import ResNet
from atrous.models.splicenet import SpliceNet
from atrous.models.tcn import TCN
from atrous.models.wavenet import WaveNet

__all__ = [
    "DRN",
    "TCN",
    "DeepLabV3",
    "DeepLabV3Plus",
    "DilatedClassifier",
    "DilatedDetector",
    "DilatedNet",
    "ResNet",
    "SpliceNet",
    "WaveNet",
    "audio",
    "fcos",
    "forecaster",
    "freeze",
    "labels",
    "series_classifier",
    "sound",
    "torch_names",
]
