"""Generating sound: WaveNet learns what the next sample may be."""
