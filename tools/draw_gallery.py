"""Draws README.md's gallery into docs/images: what a run of each task says of test examples.

python tools/draw_gallery.py --classification RUN --segmentation RUN --detection RUN

Examples are spread evenly over the test part, from its first to its last. Any of the runs may be left out.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from atrous.plots.images import show_image
from atrous.plots.style import FONT_SIZE
from atrous.run import Run

FOLDER = Path(__file__).parents[1] / "docs" / "images"
WIDTH = 9.6  # inches
RIGHT, WRONG = "#2b8a3e", "#c92a2a"


def main(
    classification: Annotated[Path | None, typer.Option()] = None,
    segmentation: Annotated[Path | None, typer.Option()] = None,
    detection: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Draws the pictures of the runs that are given."""
    for name, run, draw in (
        ("classify", classification, classified),
        ("segment", segmentation, segmented),
        ("detect", detection, detected),
    ):
        if run is not None:
            figure = draw(Run(run))
            style = {"dpi": 110, "facecolor": "white", "bbox_inches": "tight", "pad_inches": 0.04}
            figure.savefig(FOLDER / f"{name}.jpg", **style, pil_kwargs={"quality": 82})


def classified(run: Run, shown: int = 10) -> Figure:
    """Images, and the class that is said of each, with its probability."""
    from atrous.tasks.image_classification.prediction import probabilities

    split = run.load_data().test
    chosen = _spread(len(split), shown)
    images = split.images(chosen)
    rows = probabilities(run.load_model(), list(images))
    figure, cells = _grid(1, shown, 1.25)
    for axes, image, row, label in zip(cells, images, rows, split.labels[chosen], strict=True):
        show_image(axes, image)
        name = run.config.class_names[row.argmax()]
        _title(axes, f"{name}\n{100 * row.max():.0f} %", RIGHT if row.argmax() == label else WRONG)
    return figure


def segmented(run: Run, shown: int = 3) -> Figure:
    """Images, what is in them, and what was said."""
    from atrous.tasks.segmentation.evaluation import Segmenter
    from atrous.tasks.segmentation.network import stride_of
    from atrous.tasks.segmentation.pictures import painted

    split, recipe = run.load_data().test, run.config.recipe
    segmenter = Segmenter(run.load_model(), stride_of(recipe))  # type: ignore[arg-type]
    figure, cells = _grid(1, 3 * shown, 1.6)
    for i, index in enumerate(_spread(len(split), shown)):
        image, mask = split[int(index)]
        said = segmenter.labels(image)
        for axes, pixels, title in zip(
            cells[3 * i :],
            (image, painted(mask, run.config.palette), painted(said, run.config.palette)),
            ("image", "truth", "said"),
            strict=False,
        ):
            show_image(axes, pixels)
            _title(axes, title)
    return figure


def detected(run: Run, shown: int = 3) -> Figure:
    """Images with the boxes that were said."""
    from atrous.tasks.detection.drawing import drawn
    from atrous.tasks.detection.evaluation import Detector
    from atrous.tasks.detection.prediction import confident

    split, recipe = run.load_data().test, run.config.recipe
    detector = Detector(run.load_model(), recipe.output_stride, recipe.overlap)  # type: ignore[attr-defined]
    figure, cells = _grid(1, shown, 3.3)
    for axes, index in zip(cells, _spread(len(split), shown), strict=True):
        image, objects = split[int(index)]
        found = confident(detector.detections(image), recipe.confidence)  # type: ignore[attr-defined]
        show_image(axes, drawn(image, found, run.config.class_names))
        _title(axes, f"{len(found.scores)} said, {len(objects.labels)} there")
    return figure


def _spread(count: int, shown: int) -> Any:
    return np.unique(np.linspace(0, count - 1, shown).round().astype(int))


def _grid(rows: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH, rows * height), layout="constrained")
    cells = [figure.add_subplot(rows, columns, i + 1) for i in range(rows * columns)]
    for axes in cells:
        axes.set_axis_off()
    return figure, cells


def _title(axes: Axes, text: str, color: str = "black") -> None:
    axes.set_title(text, fontsize=FONT_SIZE - 1, color=color)


if __name__ == "__main__":
    typer.run(main)
