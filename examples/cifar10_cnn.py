"""A network with one dilated layer on CIFAR-10, from plain Keras parts.

python examples/cifar10_cnn.py                                    # downloads CIFAR-10 with keras.datasets
python examples/cifar10_cnn.py cifar-10-batches-bin --epochs 3    # or reads its published binary version

Prints what every layer sees, trains, and draws the learning curves into cifar10_cnn.png. Try `--rate 1`: the same weights
see less.
"""

import argparse

import keras

from atrous import data, plots
from atrous.data import Batches
from atrous.field import analyze
from atrous.layers import Conv2D

parser = argparse.ArgumentParser(description="Trains a small dilated network on CIFAR-10.")
parser.add_argument("folder", nargs="?", default="cifar10", help="folder with the binary version of CIFAR-10")
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--rate", type=int, default=2, help="dilation rate of the third layer")
arguments = parser.parse_args()

keras.utils.set_random_seed(0)
cifar = data.load(arguments.folder)

model = keras.Sequential(
    [
        keras.Input(cifar.image_shape, name="pixels"),
        keras.layers.Rescaling(1 / 255, name="rescale"),
        Conv2D(32, 3, padding="same", activation="relu", name="conv1"),
        keras.layers.MaxPooling2D(name="pool1"),
        Conv2D(64, 3, padding="same", activation="relu", name="conv2"),
        keras.layers.MaxPooling2D(name="pool2"),
        Conv2D(128, 3, dilation_rate=arguments.rate, padding="same", activation="relu", name="dilated"),
        Conv2D(64, 1, activation="relu", name="reduce"),
        keras.layers.Flatten(name="flatten"),
        keras.layers.Dense(128, activation="relu", name="dense"),
        keras.layers.Dropout(0.5, name="dropout"),
        keras.layers.Dense(len(cifar.class_names), activation="softmax", name="probabilities"),
    ]
)

print("layer          output             sees")
for layer in analyze(model).layers:
    print(f"{layer.name:13}  {layer.seen.shape!s:17}  {layer.size if layer.is_local else 'everything'}")

model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(
    Batches(cifar.train, 64, shuffle_seed=0),
    validation_data=Batches(cifar.validation, 64),
    epochs=arguments.epochs,
    shuffle=False,  # Batches shuffles, by seed and epoch
    verbose=2,
).history

_, accuracy = model.evaluate(Batches(cifar.test, 64), verbose=0)
print(f"Test accuracy at rate {arguments.rate}: {accuracy:.3f}")
plots.learning_curves(history["loss"], history["val_loss"], metric="loss").figure.savefig("cifar10_cnn.png", dpi=160)
print("Drawn: cifar10_cnn.png")
