"""Copy memory (Hochreiter & Schmidhuber 1997; Bai, Kolter, Koltun 2018, arXiv 1803.01271): ten digits after T steps."""

from atrous.tasks.copy_memory.recipe import CopyMemory

COPY_MEMORY = CopyMemory(
    name="copy-memory",
    epochs=6,
    batch_size=32,
    learning_rate=2e-3,
    decay="cosine",
    blocks=8,
    filters=10,
    kernel_size=8,
    clip=1.0,
)
