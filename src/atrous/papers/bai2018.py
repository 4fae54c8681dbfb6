"""Bai, Kolter, Koltun 2018, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence Modeling".

arXiv 1803.01271, table 1. Sizes of the TCNs are those of its figures 2 and 4 and of its supplement. The paper has the adding
problem with T = 200 and copy memory with T = 500 as curves alone. Ours are trained by the recipes of the tasks.
"""

from __future__ import annotations

from atrous.papers.table import Network, Paper, Row

_NETWORKS = (
    Network("lstm", "LSTM", {"network": "lstm"}),
    Network("gru", "GRU", {"network": "gru"}),
    Network("tcn", "TCN", {}),
    Network("tcn-rates-1", "TCN, rates 1", {"rates": (1,)}),
)
_QUICK = {"epochs": 1, "blocks": 2, "filters": 4}
_QUICKLY_DRAWN = {**_QUICK, "length": 20, "sequences": 320}

BAI2018 = Paper(
    name="bai2018",
    title="Bai, Kolter, Koltun 2018 (arXiv 1803.01271), table 1",
    networks=_NETWORKS,
    rows=(
        Row(
            name="adding-200",
            title="adding problem, T = 200",
            task="adding-problem",
            figure="mse",
            options={"length": 200},
            quick=_QUICKLY_DRAWN,
        ),
        Row(
            name="adding-600",
            title="adding problem, T = 600",
            task="adding-problem",
            figure="mse",
            options={"length": 600, "blocks": 8, "filters": 24, "kernel_size": 8},
            quick=_QUICKLY_DRAWN,
            published={"lstm": 0.164, "gru": 5.3e-5, "tcn": 5.8e-5},
        ),
        Row(
            name="copy-500",
            title="copy memory, T = 500",
            task="copy-memory",
            figure="loss",
            more=("recall",),
            options={"length": 500},
            quick=_QUICKLY_DRAWN,
        ),
        Row(
            name="copy-1000",
            title="copy memory, T = 1000",
            task="copy-memory",
            figure="loss",
            more=("recall",),
            options={"length": 1000},
            quick=_QUICKLY_DRAWN,
            published={"lstm": 0.0204, "gru": 0.0197, "tcn": 3.5e-5},
        ),
        Row(
            name="jsb",
            title="JSB chorales",
            task="music",
            kind="jsb-chorales",
            figure="nll",
            options={"data_set": "jsb"},
            quick=_QUICK,
            published={"lstm": 8.45, "gru": 8.43, "tcn": 8.10},
            needs_data=True,
        ),
        Row(
            name="nottingham",
            title="Nottingham",
            task="music",
            kind="nottingham",
            figure="nll",
            options={"data_set": "nottingham"},
            quick=_QUICK,
            published={"lstm": 3.29, "gru": 3.46, "tcn": 3.07},
            needs_data=True,
        ),
    ),
)
"""The rows of its table that need no text or digits: adding problem, copy memory, JSB chorales, Nottingham."""
