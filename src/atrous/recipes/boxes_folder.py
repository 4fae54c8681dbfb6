"""Images with boxes: COCO's JSON, or Pascal VOC's XML.

    atrous train detection --data FOLDER
    atrous train detection --data FOLDER --rates 1    # the same network without dilation

Nothing is known of the images, and there are no weights to begin with: a small network, trained from scratch, with changes of
images and boxes that hardly ever change a class.

Short first runs, seed 0, on one core of an x86-64 machine that was busy with other work (TensorFlow 2.21), where a step of four
pieces of 256×256 pixels takes 0.14 s of the processor's time, 0.04 s of which is reading and changing images:

| data | options | steps | test AP | test AP50 |
|---|---|---|---|---|
| tree crowns from the air, 400×400, one class, 103 + 12 images, 2,239 boxes | `--epochs 24` | 576 | 0.102 | 0.349 |
| things pasted over photographs, 192×192, 6 classes, 900 + 150 images, 1,974 boxes | `--epochs 8` | 1,624 | 0.071 | 0.150 |

In the second, neither things nor backgrounds of the test are among those for training: validation, a part of these, had an AP
of 0.118. With an output stride of 8 instead of 16 a step takes 2.7 times as long; on the trees, 10 epochs of it, which is about
the same time of the processor, had an AP50 of 0.223.

Beside `--rates 1`, by benchmarks/detection_with_and_without_dilation.py, for equal time of the processor, one to two minutes:

| data | options | test AP, AP50 | with `--rates 1` |
|---|---|---|---|
| tree crowns | `--epochs 12`, three seeds | 0.061 ± 0.022, 0.220 ± 0.061 | 0.094 ± 0.009, 0.336 ± 0.024 |
| things pasted over photographs | `--epochs 6`, one seed | 0.057, 0.133 | 0.079, 0.180 |

Dilation costs where things are a tenth of what a location sees anyway (483 pixels without it): docs/tasks.md says why.
"""

from atrous.tasks.detection.recipe import Detection

BOXES_FOLDER = Detection(
    name="boxes-folder",
    epochs=30,
    batch_size=4,
    learning_rate=2e-3,
    decay="poly",
)
