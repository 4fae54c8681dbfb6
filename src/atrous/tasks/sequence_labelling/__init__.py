"""Sequence labelling: a label for every base of long sequences of DNA."""
