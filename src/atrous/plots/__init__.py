"""Arrays in, matplotlib axes out; no global state: every function draws into the figure it is given, or a new one."""

from atrous.plots.confusion import confusion_matrix
from atrous.plots.coverage import coverage_map, path_profile
from atrous.plots.curves import learning_curves
from atrous.plots.dna import precision_curves, score_track, sequence_logo
from atrous.plots.effective import effective_field
from atrous.plots.fan import errors_by_step, fan_chart
from atrous.plots.field import receptive_field
from atrous.plots.footprint import kernel_footprint
from atrous.plots.growth import field_growth
from atrous.plots.images import feature_maps, image_grid
from atrous.plots.memory import memory_by_layer
from atrous.plots.pareto import pareto_front
from atrous.plots.piano import piano_roll
from atrous.plots.position import by_position
from atrous.plots.precision_recall import precision_recall
from atrous.plots.scatter import true_and_said
from atrous.plots.series import evidence
from atrous.plots.spectra import average_spectra
from atrous.plots.spectrogram import spectrogram
from atrous.plots.tree import stacked_tree

__all__ = [
    "average_spectra",
    "by_position",
    "confusion_matrix",
    "coverage_map",
    "effective_field",
    "errors_by_step",
    "evidence",
    "fan_chart",
    "feature_maps",
    "field_growth",
    "image_grid",
    "kernel_footprint",
    "learning_curves",
    "memory_by_layer",
    "pareto_front",
    "path_profile",
    "piano_roll",
    "precision_curves",
    "precision_recall",
    "receptive_field",
    "score_track",
    "sequence_logo",
    "spectrogram",
    "stacked_tree",
    "true_and_said",
]
