"""All recipes, and the choice between them."""

from atrous.recipes.adding_problem import ADDING_PROBLEM
from atrous.recipes.audio_folder import AUDIO_FOLDER
from atrous.recipes.boxes_folder import BOXES_FOLDER
from atrous.recipes.cifar10 import CIFAR10
from atrous.recipes.copy_memory import COPY_MEMORY
from atrous.recipes.dna_sites import DNA_SITES
from atrous.recipes.fashion_mnist import FASHION_MNIST
from atrous.recipes.image_folder import IMAGE_FOLDER
from atrous.recipes.masks_folder import MASKS_FOLDER
from atrous.recipes.music import JSB_CHORALES, NOTTINGHAM, PIANO_ROLLS
from atrous.recipes.series_csv import SERIES_CSV
from atrous.recipes.series_ts import SERIES_TS
from atrous.recipes.sound_files import SOUND_FILES
from atrous.tasks import TASKS
from atrous.tasks.recipe import Recipe, parse_choice

RECIPES: tuple[Recipe, ...] = (
    FASHION_MNIST,
    CIFAR10,
    IMAGE_FOLDER,
    MASKS_FOLDER,
    BOXES_FOLDER,
    SERIES_CSV,
    AUDIO_FOLDER,
    SOUND_FILES,
    SERIES_TS,
    DNA_SITES,
    PIANO_ROLLS,
    JSB_CHORALES,
    NOTTINGHAM,
    COPY_MEMORY,
    ADDING_PROBLEM,
)


def find(task: str, kind: str) -> Recipe:
    """Returns the recipe for a task on a data set: that for its kind of data, else the one for any.

    Args:
        task: One of `atrous.tasks.TASKS`.
        kind: `kind` of the data set.

    Raises:
        ValueError: There is no such task.
    """
    parse_choice("task", task, tuple(TASKS))
    of_task = [recipe for recipe in RECIPES if recipe.task == task]
    own = [recipe for recipe in of_task if recipe.kind == kind]
    return own[0] if own else next(recipe for recipe in of_task if not recipe.kind)
