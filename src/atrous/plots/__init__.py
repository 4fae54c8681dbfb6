"""Arrays in, matplotlib axes out; no global state: every function draws into the figure it is given, or a new one."""

from atrous.plots.confusion import confusion_matrix
from atrous.plots.curves import learning_curves
from atrous.plots.field import receptive_field
from atrous.plots.images import feature_maps, image_grid

__all__ = ["confusion_matrix", "feature_maps", "image_grid", "learning_curves", "receptive_field"]
