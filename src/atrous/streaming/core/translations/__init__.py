"""What each type of layer and operation is in a program of the native core: one function a kind."""

from atrous.streaming.core.translations import merging, pointwise, windows

__all__ = ["merging", "pointwise", "windows"]
