"""What the dilated layer of a trained network makes of an image, and which part of the image it looks at.

python examples/feature_maps.py RUN       # a run folder that `atrous train` made
python examples/feature_maps.py           # or train for an epoch on the images that come with the package

Draws feature_maps.png and field.png. Try `--image 7`, or a run with other rates: `atrous train --rates 1,2`.
"""

import argparse

import keras

import atrous
from atrous import plots
from atrous.field import analyze, tap_spans
from atrous.run import Run

parser = argparse.ArgumentParser(description="Draws the feature maps of a network's dilated layer.")
parser.add_argument("run", nargs="?", type=Run, help="a run folder")
parser.add_argument("--image", type=int, default=0, help="number of the test image")
arguments = parser.parse_args()

run = arguments.run or atrous.train(epochs=1)
model, test = run.load_model(), run.load_data().test
image = test.images([arguments.image])[0]
name = [layer.name for layer in model.layers if layer.name.startswith("dilated")][-1]

inner = keras.Model(model.inputs, model.get_layer(name).output)
maps = inner.predict(image[None], verbose=0)[0]
print(f"{test.name(arguments.image)} through {name}: {maps.shape}, of which {(maps.max((0, 1)) > 0).sum()} channels answer")
plots.feature_maps(maps).figure.savefig("feature_maps.png", dpi=160)

centre = (maps.shape[0] // 2, maps.shape[1] // 2)
field = analyze(model)[name]
print(f"The unit at {centre} sees rows and columns {field.span(centre)}")
plots.receptive_field(image, field.span(centre), tap_spans(model, name, centre)).figure.savefig("field.png", dpi=160)
print("Drawn: feature_maps.png, field.png")
