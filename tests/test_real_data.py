"""The published data sets, where the variable ATROUS_DATA names the folder they are in."""

import os
from pathlib import Path

import numpy as np
import pytest

from atrous import data
from atrous.data.segmentation import load_segmentation

if "ATROUS_DATA" not in os.environ:
    pytest.skip("ATROUS_DATA is not set: the folder with the published data sets", allow_module_level=True)

FASHION_MNIST = Path(os.environ["ATROUS_DATA"], "fashion-mnist")


def test_published_fashion_mnist_is_whole_and_balanced():
    dataset = data.load(FASHION_MNIST)
    assert (dataset.kind, dataset.image_shape) == ("fashion-mnist", (28, 28, 1))
    for part, examples in (("train", 5400), ("validation", 600), ("test", 1000)):
        assert np.bincount(getattr(dataset, part).labels).tolist() == [examples] * 10


def test_bundled_subset_is_of_the_published_set():
    published, bundled = data.load(FASHION_MNIST), data.load("fashion-mnist")
    assert bundled.class_names == published.class_names
    for parts in (("train", "validation"), ("test",)):
        known = {image.tobytes() for part in parts for image in _images(getattr(published, part))}
        assert all(image.tobytes() in known for part in parts for image in _images(getattr(bundled, part)))


def test_masks_of_photographs_are_the_same_in_both_formats():
    pytest.importorskip("pycocotools")
    folder = Path(os.environ["ATROUS_DATA"], "stamps")
    voc, coco = load_segmentation(folder), load_segmentation(folder / "instances_train.json")
    assert coco.class_names == voc.class_names
    for dataset in (voc, coco):
        assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [810, 90, 150]
        assert not dataset.skipped
    drawn = {Path(coco.test.name(i)).stem: coco.test[i][1] for i in range(150)}
    for i in range(150):
        mask = voc.test[i][1]
        known = mask != 255  # run lengths know no void
        np.testing.assert_array_equal(drawn[voc.test.name(i)][known], mask[known])


def _images(split):
    return split.images(np.arange(len(split)))
