"""Settings of the whole suite."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from hypothesis import settings

settings.register_profile("atrous", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("atrous")
