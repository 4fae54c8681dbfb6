"""Settings of the whole suite."""

import fcntl
import gc
import os
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import pytest
from hypothesis import HealthCheck, settings

# No clock: neither a deadline nor the check that drawing is fast holds on a busy machine.
settings.register_profile(
    "atrous", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True, print_blob=True
)
settings.load_profile("atrous")


def pytest_collection_finish():
    """What was imported stays: the garbage collector needn't look through it, hundreds of thousands of objects, every time."""
    gc.freeze()


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Gives a folder that is made once for all workers, by `once(name, make)`, where `make` is called with the empty folder."""
    own = tmp_path_factory.getbasetemp()
    base = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def folder(name, make):
        place = base / name
        with open(base / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (place / "made").exists():
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir()
                make(place)
                (place / "made").touch()
        return place

    return folder


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    """A test that depends on the weights that it draws fails always or never."""
    import keras  # not above: the process that hands out the tests would take seconds to import it, and the others wait

    keras.utils.set_random_seed(1)
