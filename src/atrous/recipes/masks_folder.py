"""Images with masks: Pascal VOC's folders, images and masks, or COCO's instances.

    atrous train segmentation --data FOLDER
    atrous train segmentation --data FOLDER --rates 1    # the same network without dilation

Nothing is known of the images, and there are no weights to begin with: a small network (a million parameters), trained from
scratch, with changes of image and mask that hardly ever change a class.
"""

from atrous.tasks.segmentation.recipe import Segmentation

MASKS_FOLDER = Segmentation(
    name="masks-folder",
    epochs=30,
    batch_size=8,
    learning_rate=1e-3,
    decay="poly",
)
