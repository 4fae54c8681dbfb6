"""Forecasting: the next steps of series, with quantiles."""
