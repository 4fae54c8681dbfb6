"""Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747): 28×28 gray photographs of ten kinds of clothes.

    atrous train image-classification --data fashion-mnist
    atrous train image-classification --data FOLDER     # with the four published IDX files
    atrous train image-classification --data fashion-mnist --rates 1    # the same network without dilation

Command, time and result, on two cores of an x86-64 machine (TensorFlow 2.21, seed 0; the second while tests ran beside it):

| data | command | time | test accuracy |
|---|---|---|---|
| subset that comes with the package, 11,000 + 2,000 | `atrous train` | 1.6 min | 0.8895 |
| published set, 60,000 + 10,000 | `atrous train --data FOLDER` | 9.6 min | 0.9203 |

The last line of each: `test_loss=0.29452199441344495 test_accuracy=0.8895` and `test_loss=0.22630036131550674
test_accuracy=0.9203`. With `--rates 1` it is no worse: 0.8825 ± 0.0055 against 0.8833 ± 0.0053 on the subset after 8 epochs,
three seeds each, since the dense layer sees the whole map at either rate (benchmarks/what_each_choice_buys.py, which measures
the 1×1 layer and bfloat16, too).
"""

from atrous.tasks.image_classification.recipe import ImageClassification

FASHION_MNIST = ImageClassification(
    name="fashion-mnist",
    kind="fashion-mnist",
    epochs=12,
    batch_size=64,
    learning_rate=1e-3,
    decay="cosine",
    rates=(2,),
    # Clothes look the same in a mirror; shifts would slow a short training down.
    augment=("flip",),
)
