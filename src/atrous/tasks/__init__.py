"""Tasks: what can be trained, each in one place. A folder a task; the loop that trains them knows none of them."""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from atrous.tasks.adding_problem.recipe import AddingProblem
from atrous.tasks.audio_classification.recipe import AudioClassification
from atrous.tasks.audio_generation.recipe import AudioGeneration
from atrous.tasks.copy_memory.recipe import CopyMemory
from atrous.tasks.detection.recipe import Detection
from atrous.tasks.forecasting.recipe import Forecasting
from atrous.tasks.image_classification.recipe import ImageClassification
from atrous.tasks.music.recipe import Music
from atrous.tasks.recipe import Recipe, parse_choice
from atrous.tasks.segmentation.recipe import Segmentation
from atrous.tasks.sequence_labelling.recipe import SequenceLabelling
from atrous.tasks.series_classification.recipe import SeriesClassification

if TYPE_CHECKING:
    from atrous.tasks.task import Task

TASKS: MappingProxyType[str, type[Recipe]] = MappingProxyType(
    {
        "image-classification": ImageClassification,
        "segmentation": Segmentation,
        "detection": Detection,
        "forecasting": Forecasting,
        "audio-classification": AudioClassification,
        "audio-generation": AudioGeneration,
        "series-classification": SeriesClassification,
        "sequence-labelling": SequenceLabelling,
        "music": Music,
        "copy-memory": CopyMemory,
        "adding-problem": AddingProblem,
    }
)
"""What a recipe of each task chooses: the first is trained if no task is named."""

__all__ = ["TASKS", "find"]


def find(name: str) -> Task[Any]:
    """Returns a task; only then is it imported, and Keras with it.

    Args:
        name: One of `TASKS`.

    Raises:
        ValueError: There is no such task.
    """
    parse_choice("task", name, tuple(TASKS))
    module = importlib.import_module(f"atrous.tasks.{name.replace('-', '_')}.task")
    found: Task[Any] = module.TASK
    return found
