"""What happens on `import atrous`, seen from fresh processes."""

import os
import subprocess
import sys

import keras

from atrous import layers, models


def python(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_saved_models_load_after_import_alone(tmp_path):
    keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3)]).save(tmp_path / "layer.keras")
    models.DilatedClassifier((8, 8, 1), 2).save(tmp_path / "model.keras")
    for file in ("layer.keras", "model.keras"):
        done = python(f"import atrous, keras; print(keras.saving.load_model({str(tmp_path / file)!r}).name)")
        assert done.returncode == 0, done.stderr


HIDE = """
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in hidden else real(name, *rest)
"""


def test_a_missing_backend_is_one_sentence():
    done = python("hidden = ('tensorflow', 'jax', 'torch')" + HIDE + "import atrous", KERAS_BACKEND="tensorflow")
    last = done.stderr.strip().splitlines()[-1]
    assert last == "ImportError: atrous needs a Keras backend: install one with `pip install 'atrous[tensorflow]'`."


def test_another_installed_backend_is_offered():
    here = keras.config.backend()
    other = "jax" if here != "jax" else "torch"
    done = python(f"hidden = {{'tensorflow', 'jax', 'torch'}} - {{{here!r}}}" + HIDE + "import atrous", KERAS_BACKEND=other)
    assert f"or set KERAS_BACKEND={here}, which is installed." in done.stderr


def test_the_command_says_the_same_sentence_without_a_traceback():
    code = (
        "hidden = ('tensorflow', 'jax', 'torch')"
        + HIDE
        + "import sys; sys.argv = ['atrous', 'train']; import atrous.cli; atrous.cli.main()"
    )
    done = python(code, KERAS_BACKEND="tensorflow")
    assert done.returncode == 2
    assert done.stderr == "atrous needs a Keras backend: install one with `pip install 'atrous[tensorflow]'`.\n"
