"""CIFAR-10 (Krizhevsky 2009): 32×32 colour photographs of ten kinds of animals and vehicles.

    atrous train image-classification --data cifar10
    atrous train image-classification --data FOLDER     # with the published binary version

15 epochs of batches of 64 with Adam at 1e-3 and nothing else, as published tutorials of dilated convolution do; try
`--augment flip,shift --decay cosine` for a better result, and `--rates 1` for the same network without dilation. No result is
recorded here: the recipe has not been run on the published data.
"""

from atrous.tasks.image_classification.recipe import ImageClassification

CIFAR10 = ImageClassification(
    name="cifar10",
    kind="cifar10",
    epochs=15,
    batch_size=64,
    learning_rate=1e-3,
)
