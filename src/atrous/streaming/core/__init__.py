"""A model's step as a program of the native core."""
