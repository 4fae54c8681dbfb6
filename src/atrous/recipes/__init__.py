"""Recipes: what is trained on what, with which choices, and what it reached."""

from atrous.recipes.catalog import RECIPES, find
from atrous.recipes.options import Options
from atrous.tasks import TASKS
from atrous.tasks.image_classification.recipe import AUGMENTATIONS, HEADS
from atrous.tasks.recipe import DECAYS, Recipe

__all__ = ["AUGMENTATIONS", "DECAYS", "HEADS", "RECIPES", "TASKS", "Options", "Recipe", "find"]
