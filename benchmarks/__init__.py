"""Measurements beside peers: `python -m benchmarks --help`. Cases in `suite`, peers in `peers`, one file each."""
