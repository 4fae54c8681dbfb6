"""Data sets: a built-in name or a folder in, train, validation and test parts out."""

from atrous.data.batches import Batches
from atrous.data.dataset import ArraySplit, Dataset, Split
from atrous.data.images import read_image
from atrous.data.sources import BUILT_IN, load

__all__ = ["BUILT_IN", "ArraySplit", "Batches", "Dataset", "Split", "load", "read_image"]
