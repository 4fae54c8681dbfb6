"""Audio classification: one class a clip of sound."""
