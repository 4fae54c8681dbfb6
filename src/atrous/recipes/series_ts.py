"""Series with classes in `.ts` files, as the UCR/UEA archive has them.

atrous train series-classification --data FOLDER
atrous train series-classification --data FOLDER --rates 1    # the same network without dilation
"""

from atrous.tasks.series_classification.recipe import SeriesClassification

SERIES_TS = SeriesClassification(
    name="series-ts",
    epochs=20,
    batch_size=32,
    learning_rate=3e-3,
    decay="cosine",
)
