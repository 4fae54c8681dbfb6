"""Makes the subset of Fashion-MNIST that comes with the package: the first examples of each class, in their order.

    python tools/make_fashion_mnist_subset.py FASHION_MNIST_FOLDER src/atrous/data/fashion_mnist

The folder holds the four published IDX files. The same files give the same bytes.
"""

import sys
from pathlib import Path

import numpy as np

from atrous.data.idx import read_idx, write_idx

EXAMPLES_A_CLASS = {"train": 1100, "t10k": 200}


def main(source: Path, target: Path) -> None:
    """Writes four IDX files to `target`."""
    target.mkdir(parents=True, exist_ok=True)
    for part, count in EXAMPLES_A_CLASS.items():
        images, labels = f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"
        all_labels = read_idx(source / labels)
        rows = np.sort(np.concatenate([np.flatnonzero(all_labels == label)[:count] for label in range(10)]))
        write_idx(target / images, read_idx(source / images)[rows])
        write_idx(target / labels, all_labels[rows])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
