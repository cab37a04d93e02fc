"""Label a table by hand: unsupervised scores first, then training on the labels."""
