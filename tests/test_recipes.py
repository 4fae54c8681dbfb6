import pytest

import cifar
from atrous import data
from atrous.recipes import AUGMENTATIONS, RECIPES, TASKS, Options, find

CLASSIFYING = [recipe for recipe in RECIPES if recipe.task == "image-classification"]


def test_known_data_have_their_own_recipe_wherever_they_come_from(tmp_path):
    cifar.write(tmp_path / "a folder of any name")
    assert find("image-classification", data.load(tmp_path / "a folder of any name").kind).name == "cifar10"
    assert find("image-classification", data.load("fashion-mnist").kind).name == "fashion-mnist"


def test_any_other_data_set_has_the_general_recipe():
    assert find("image-classification", "holiday photos").name == "image-folder"


def test_an_unknown_task_lists_the_tasks():
    with pytest.raises(ValueError, match=rf"`task` must be one of {', '.join(TASKS)}. Received: task='chess'"):
        find("chess", "fashion-mnist")


def test_cifar10_is_trained_as_published_tutorials_do():
    recipe = find("image-classification", "cifar10")
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.decay) == (15, 64, 1e-3, "none")
    assert recipe.augment == ()


def test_the_types_of_options_are_of_all_that_recipes_have():
    assert set(Options.__annotations__) == {name for recipe in TASKS.values() for name in recipe.options()}


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_recipe_for_any_data_and_a_name_for_what_it_trains_on(task):
    assert find(task, "").task == task
    assert TASKS[task].examples in ("images", "pieces", "windows", "clips", "sequences", "series")


@pytest.mark.parametrize("recipe", CLASSIFYING, ids=lambda recipe: recipe.name)
def test_options_replace_choices_and_none_keeps_them(recipe):
    assert recipe.replace({"epochs": None, "augment": None, "seed": None}) == recipe
    changed = recipe.replace({"rates": 4, "augment": True, "image_size": 32, "learning_rate": 1})
    assert changed.rates == (4,)
    assert changed.augment == AUGMENTATIONS
    assert changed.image_size == (32, 32)
    assert changed.learning_rate == 1.0
    assert recipe.replace({"augment": False}).augment == ()
    assert recipe.replace({"augment": ["shift", "shift"], "rates": [1, 2]}).rates == (1, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "`epochs` must be a positive integer"),
        ({"batch_size": 1.5}, "`batch_size` must be a positive integer"),
        ({"learning_rate": 0}, "`learning_rate` must be a positive number. Received: learning_rate=0"),
        ({"learning_rate": float("inf")}, "`learning_rate` must be a positive number"),
        ({"decay": "slow"}, "`decay` must be one of none, linear, cosine, poly. Received: decay='slow'"),
        ({"rates": ()}, "`rates` must have at least one rate"),
        ({"rates": (2, 0)}, "`rates` must be a positive integer. Received: rates=0"),
        ({"rates": "2"}, "`rates` must be a positive integer. Received: rates='2'"),
        ({"head": "tail"}, "`head` must be one of auto, flatten, average"),
        ({"dropout": 1}, "`dropout` must be between 0 and 1. Received: dropout=1"),
        ({"augment": "mirror"}, "`augment` must be one of flip, shift, rotate, zoom, colour. Received: augment='mirror'"),
        ({"augment": 3}, "`augment` must be a list of flip, shift, rotate, zoom, colour. Received: augment=3"),
        ({"early_stopping": -1}, "`early_stopping` must be a non-negative integer"),
        ({"seed": -1}, "`seed` must be a non-negative integer"),
        ({"image_size": (28, 28, 1)}, "`image_size` must be"),
        ({"epoch": 3}, "`options` must be one of epochs, batch_size, .* Received: options='epoch'"),
    ],
)
def test_a_wrong_option_is_named_with_its_rule(options, message):
    with pytest.raises(ValueError, match=message):
        RECIPES[0].replace(options)
