"""Images with boxes: COCO's JSON, or Pascal VOC's XML.

    atrous train detection --data FOLDER
    atrous train detection --data FOLDER --rates 1    # the same network without dilation

Nothing is known of the images, and there are no weights to begin with: a small network, trained from scratch, with changes of
images and boxes that hardly ever change a class.
"""

from atrous.tasks.detection.recipe import Detection

BOXES_FOLDER = Detection(
    name="boxes-folder",
    epochs=30,
    batch_size=4,
    learning_rate=2e-3,
    decay="poly",
)
