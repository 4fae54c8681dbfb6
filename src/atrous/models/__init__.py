"""Whole networks."""

from atrous.models.classifier import DilatedClassifier

__all__ = ["DilatedClassifier"]
