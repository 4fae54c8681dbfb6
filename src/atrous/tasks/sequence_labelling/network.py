"""The network of a recipe."""

from __future__ import annotations

import math

import keras

from atrous.models.splicenet import SpliceNet
from atrous.tasks.sequence_labelling.plan import Plan

_RARE = 1e-3  # probability of each site to begin with


def build(plan: Plan, classes: int, filters: int, policy: str) -> keras.Model:
    """SpliceNet, cropped: what it says of a base is decided by all of its context.

    It begins by saying that sites are rare, lest the first steps learn nothing but that (as Lin et al. 2017 begin, arXiv
    1708.02002).

    Args:
        plan: Stages.
        classes: Labels, "no site" included.
        filters: Channels.
        policy: Of its layers.
    """
    model = SpliceNet(plan.stages, classes, filters=filters, blocks=plan.blocks, dtype=policy)
    model.get_layer("outputs").bias.assign([0.0] + [math.log(_RARE)] * (classes - 1))
    return model
