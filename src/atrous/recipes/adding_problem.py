"""The adding problem (Hochreiter & Schmidhuber 1997; Bai, Kolter, Koltun 2018, arXiv 1803.01271): two of T numbers.

    atrous train adding-problem
    atrous train adding-problem --network lstm    # or gru: one layer with as many parameters
    atrous train adding-problem --rates 1         # the same TCN without dilation

The network is the paper's for T = 200, seven blocks of 27 channels and six taps, the learning rate that of its code, but
falling; 50,000 sequences, the same in every epoch, and 1,000 for the test. Seed 0, on a busy core of an x86-64 machine
(TensorFlow 2.21); time is the processor's.

| | parameters | epochs | test MSE | time |
|---|---|---|---|---|
| the recipe | 58,051 | 5 | 4.9e-4 | 4.4 min |
| `--network lstm` | 58,192 | 5 | 5.7e-4 | 11 min |
| `--network gru` | 58,089 | 5 | 1.4e-5 | 11 min |
| `--rates 1`, which sees 71 of 200 steps | 58,051 | 5 | 0.110 | 4.8 min |

Always saying 1 gives 1/6 = 0.1667 (the paper says about 0.1767), 0.1685 on this test.
"""

from atrous.tasks.adding_problem.recipe import AddingProblem

ADDING_PROBLEM = AddingProblem(
    name="adding-problem",
    epochs=5,
    batch_size=32,
    learning_rate=4e-3,
    decay="cosine",
    blocks=7,
    filters=27,
    kernel_size=6,
)
