"""Piano rolls: which keys sound in the next step (Boulanger-Lewandowski, Bengio, Vincent 2012, arXiv 1206.6392)."""

from atrous.tasks.music.recipe import Music

PIANO_ROLLS = Music(
    name="piano-rolls",
    epochs=40,
    batch_size=8,
    learning_rate=1e-3,
    decay="cosine",
    early_stopping=10,
    blocks=4,
    filters=150,
    kernel_size=5,
    dropout=0.3,
    clip=0.4,
)

JSB_CHORALES = Music(
    name="jsb-chorales",
    kind="jsb-chorales",
    epochs=60,
    batch_size=8,
    learning_rate=4e-3,
    decay="cosine",
    blocks=2,
    filters=150,
    kernel_size=3,
    dropout=0.5,
    clip=0.4,
)

NOTTINGHAM = Music(
    name="nottingham",
    kind="nottingham",
    epochs=40,
    batch_size=8,
    learning_rate=2e-3,
    decay="cosine",
    early_stopping=10,
    blocks=4,
    filters=150,
    kernel_size=6,
    dropout=0.2,
    clip=0.4,
)
