"""The adding problem (Hochreiter & Schmidhuber 1997; Bai, Kolter, Koltun 2018, arXiv 1803.01271)."""

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
