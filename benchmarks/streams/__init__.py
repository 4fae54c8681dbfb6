"""Networks that are run step by step, here and by peers: `python -m benchmarks.streaming` measures them."""
