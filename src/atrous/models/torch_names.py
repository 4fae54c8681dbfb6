"""How PyTorch's networks call the weights of the built-in ones: name maps for `atrous.surgery.import_weights`.

A map takes the path of a Keras variable, such as `"stage1_block1/conv1/conv/kernel"`, and gives the name in a state dict, here
`"layer1.0.conv1.weight"`, or `None` for a weight that such a network doesn't have.
"""

from __future__ import annotations

import re

ENDS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
NORMS = {"conv": "conv", "norm": "bn"}
PARTS = {"conv": 0, "norm": 1}
DEEPLAB_HEADS = {
    "aspp/point": ("classifier.0.convs.0", 0),
    "aspp/dilated1": ("classifier.0.convs.1", 0),
    "aspp/dilated2": ("classifier.0.convs.2", 0),
    "aspp/dilated3": ("classifier.0.convs.3", 0),
    "aspp/image": ("classifier.0.convs.4", 1),
    "aspp/project": ("classifier.0.project", 0),
    "refine": ("classifier", 1),
    "auxiliary_refine": ("aux_classifier", 0),
}
"""The sequence that a unit is in, and its convolution's place there; its normalisation is in the next one."""

SCORES = {"scores": "classifier.4", "auxiliary_scores": "aux_classifier.4"}


def resnet(path: str) -> str | None:
    """Weights of torchvision's residual networks, for `ResNet` and `DRN("a_50")`; of the reference's DRN of kind C, too."""
    layer, _, end = path.rpartition("/")
    if layer in ("probabilities", "outputs"):
        return f"fc.{ENDS[end]}"
    if unit := re.fullmatch(r"stem/(conv|norm)", layer):
        return f"{NORMS[unit[1]]}1.{ENDS[end]}"
    return _block(layer, end)


def deeplab_v3(path: str) -> str | None:
    """Weights of torchvision's `deeplabv3_resnet50` and `deeplabv3_resnet101`, for `DeepLabV3` with `output_stride=8`."""
    layer, _, end = path.rpartition("/")
    if layer in SCORES:
        return f"{SCORES[layer]}.{ENDS[end]}"
    unit, _, part = layer.rpartition("/")
    if unit in DEEPLAB_HEADS:
        sequence, place = DEEPLAB_HEADS[unit]
        return f"{sequence}.{place + PARTS[part]}.{ENDS[end]}"
    name = resnet(path)
    return None if name is None else f"backbone.{name}"


def drn_d(path: str) -> str | None:
    """Weights of the reference implementation of dilated residual networks of kind D, for `DRN("d_22")`, …."""
    layer, _, end = path.rpartition("/")
    if unit := re.fullmatch(r"stem/(conv|norm)", layer):
        return f"layer0.{PARTS[unit[1]]}.{ENDS[end]}"
    if unit := re.fullmatch(r"stage(\d)_conv(\d)/(conv|norm)", layer):  # convolution, normalisation, activation: three a unit
        return f"layer{unit[1]}.{3 * (int(unit[2]) - 1) + PARTS[unit[3]]}.{ENDS[end]}"
    return resnet(path)


def _block(layer: str, end: str) -> str | None:
    unit = re.fullmatch(r"stage(\d)_block(\d+)/(conv(\d)|shortcut)/(conv|norm)", layer)
    if unit is None:
        return None
    block = f"layer{unit[1]}.{int(unit[2]) - 1}"
    if unit[3] == "shortcut":
        return f"{block}.downsample.{PARTS[unit[5]]}.{ENDS[end]}"
    return f"{block}.{NORMS[unit[5]]}{unit[4]}.{ENDS[end]}"
