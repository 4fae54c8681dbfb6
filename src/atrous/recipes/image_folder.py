"""Any folder of images, one sub-folder a class.

    atrous train image-classification --data FOLDER
    atrous train image-classification --data FOLDER --rates 1    # the same network without dilation
    atrous train image-classification --data FOLDER --backbone resnet_14_small --output-stride 8

Nothing is known of the images, so the recipe is cautious: small batches for small sets, a falling learning rate, and
shifts as the one augmentation that hardly ever changes what an image shows (a mirrored letter is another letter).

Photographed things cut out of 192×192 scenes and brought to 64×64, six classes, 1,523 + 168 for training and validation, 283
of other things for the test, on one core of an x86-64 machine (TensorFlow 2.21) that others used, too, by

    python benchmarks/classification_with_and_without_dilation.py --data FOLDER --epochs 10 --seeds 1

| network | parameters | seconds an epoch | test accuracy | with `--rates 1` |
|---|---|---|---|---|
| the small one, rates 2 | 2,199,558 | 11 | 0.534 | 0.590 |
| `--backbone resnet_14_small --output-stride 8` | 681,846 | 16 | 0.548 | 0.495 |

One seed, and 283 examples say ± 0.06: neither difference is settled. At 64 pixels the backbone's rates of 2 and 4 meet a map of
8×8, most taps of which fall into padding, as the page says.
"""

from atrous.tasks.image_classification.recipe import ImageClassification

IMAGE_FOLDER = ImageClassification(
    name="image-folder",
    epochs=20,
    batch_size=32,
    learning_rate=1e-3,
    decay="cosine",
    augment=("shift",),
)
