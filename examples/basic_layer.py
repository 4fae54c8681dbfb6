"""One 3×3 filter over a 28×28 gray image at rates 1, 2 and 4: what changes, and what doesn't.

python examples/basic_layer.py            # prints a table and draws basic_layer.png

Try other rates, `padding="valid"`, another filter, or a stride.
"""

import numpy as np

from atrous import data, plots
from atrous.layers import Conv2D

RATES = (1, 2, 4)
IMAGE = 3

# A filter that answers to edges from dark (left) to bright (right). Its nine weights are the same at every rate.
EDGE = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "float32")

image = data.load("fashion-mnist").test.images([IMAGE])[0]
pixels = image[None].astype("float32")  # (batch, height, width, channels)

drawn, captions = [image], ["image"]
print("rate  spans  output        parameters")
for rate in RATES:
    layer = Conv2D(1, 3, dilation_rate=rate, padding="same")
    layer.build(pixels.shape)
    layer.set_weights([EDGE[:, :, None, None], np.zeros(1)])
    output = np.asarray(layer(pixels))
    span = layer.spec.effective_kernel_size[0]
    print(f"{rate:4}  {span} × {span}  {output.shape}  {layer.count_params()}")
    drawn.append(128 + 127 * output[0] / np.abs(output).max())  # gray is no edge, white and black are its two directions
    captions.append(f"rate {rate}: {span} × {span}")

plots.image_grid(drawn, captions, columns=len(drawn))[0].figure.savefig("basic_layer.png", dpi=160)
print("Drawn: basic_layer.png")
