"""What the tasks of Bai, Kolter and Koltun 2018 (arXiv 1803.01271) share: a network, batches of sequences, the page."""
