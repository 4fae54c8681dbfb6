"""Series in CSV."""

from atrous.tasks.forecasting.recipe import Forecasting

SERIES_CSV = Forecasting(
    name="series-csv",
    epochs=8,
    batch_size=8,
    learning_rate=3e-3,
    decay="cosine",
    early_stopping=4,
)
