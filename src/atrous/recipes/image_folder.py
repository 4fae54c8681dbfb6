"""Any folder of images, one sub-folder a class.

    atrous train image-classification --data FOLDER

Nothing is known of the images, so the recipe is cautious: small batches for small sets, a falling learning rate, and
shifts as the one augmentation that hardly ever changes what an image shows (a mirrored letter is another letter).
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
