"""DNA with sites: FASTA, and a table or BED of single bases."""

from atrous.tasks.sequence_labelling.recipe import SequenceLabelling

DNA_SITES = SequenceLabelling(
    name="dna-sites",
    epochs=6,
    batch_size=4,
    learning_rate=1e-3,
    decay="cosine",
)
