"""Recipes: what is trained on what, with which choices, and what it reached."""

from atrous.recipes.catalog import RECIPES, find
from atrous.recipes.recipe import AUGMENTATIONS, DECAYS, HEADS, TASKS, Options, Recipe

__all__ = ["AUGMENTATIONS", "DECAYS", "HEADS", "RECIPES", "TASKS", "Options", "Recipe", "find"]
