"""Images with masks: Pascal VOC's folders, images and masks, or COCO's instances.

    atrous train segmentation --data FOLDER
    atrous train segmentation --data FOLDER --rates 1    # the same network without dilation

Nothing is known of the images, and there are no weights to begin with: a small network (a million parameters), trained from
scratch, with changes of image and mask that hardly ever change a class.

Three seeds each on one core of an x86-64 machine whose other core was busy (TensorFlow 2.21), by

    python benchmarks/segmentation_with_and_without_dilation.py --data FOLDER --epochs N

where a network has as many epochs as take the same time (docs/tasks.md):

| data | N | minutes | test mean IoU | `--rates 1` | U-Net of equal size |
|---|---|---|---|---|---|
| things pasted over photographs, 192×192, 6 classes, 900 + 150 | 14 | 6 | 0.236 ± 0.015 | 0.219 ± 0.019 | 0.139 ± 0.016 |
| regions in slices of one head, 181×217, 7 classes, 104 + 24 | 20 | 2 | 0.546 ± 0.037 | 0.511 ± 0.045 | 0.220 ± 0.024 |

In the first, neither things nor backgrounds of the test are among those for training: validation, which is a part of these, had
0.38. docs/tasks.md says why dilation buys what it buys.
"""

from atrous.tasks.segmentation.recipe import Segmentation

MASKS_FOLDER = Segmentation(
    name="masks-folder",
    epochs=30,
    batch_size=8,
    learning_rate=1e-3,
    decay="poly",
)
