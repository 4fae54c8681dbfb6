"""Sound in files and pipes, streamed through a model at the pace it comes."""
