"""Series in CSV."""

from atrous.tasks.forecasting.recipe import Forecasting

SERIES_CSV = Forecasting(
    name="series-csv",
    epochs=10,
    batch_size=8,
    learning_rate=5e-3,
    decay="cosine",
)
