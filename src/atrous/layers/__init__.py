"""Drop-in Keras layers: same arguments, defaults, weights, config and saving; without Keras's limits on dilation.

Lifted: a stride above 1 together with a dilation rate above 1, explicit padding (an integer, or zeros before and after an
axis) in every layer, `padding="causal"` in every 1D layer, dilated transposed convolution on every CPU build. Pooling has
`dilation_rate`, too.
"""

from atrous.layers.conv import Conv1D, Conv2D, Conv3D
from atrous.layers.depthwise import DepthwiseConv1D, DepthwiseConv2D
from atrous.layers.padding import StridedPadding
from atrous.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from atrous.layers.separable import SeparableConv1D, SeparableConv2D
from atrous.layers.transpose import Conv1DTranspose, Conv2DTranspose, Conv3DTranspose

__all__ = [
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "SeparableConv1D",
    "SeparableConv2D",
    "StridedPadding",
]
