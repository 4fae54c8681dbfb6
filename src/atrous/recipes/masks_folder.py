"""Images with masks: Pascal VOC's folders, images and masks, or COCO's instances.

    atrous train segmentation --data FOLDER
    atrous train segmentation --data FOLDER --rates 1    # the same network without dilation

Nothing is known of the images, and there are no weights to begin with: a small network (a million parameters), trained from
scratch, with changes of image and mask that hardly ever change a class.

Short first runs, seed 0, on two cores of an x86-64 machine that was busy (TensorFlow 2.21), so that time is the processor's,
of the whole command:

| data | options | processor time | test mean IoU |
|---|---|---|---|
| things pasted over photographs, 192×192, 6 classes, 900 + 150 | `--epochs 16` | 8.4 min | 0.290 |
| regions in slices of one head, 181×217, 7 classes, 104 + 24 | `--epochs 20 --class-weights balanced` | 2.6 min | 0.461 |

In the first, neither things nor backgrounds of the test are among those for training: validation, which is a part of these, had
0.407. What dilation buys is measured by benchmarks/segmentation_with_and_without_dilation.py, beside a U-Net.
"""

from atrous.tasks.segmentation.recipe import Segmentation

MASKS_FOLDER = Segmentation(
    name="masks-folder",
    epochs=30,
    batch_size=8,
    learning_rate=1e-3,
    decay="poly",
)
