"""Training cases of our own making, for what collected data never teaches."""
