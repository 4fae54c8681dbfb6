"""The adding problem: of many numbers the sum of the two that are marked."""
