"""Train, score and evaluate runs on a CPU or a GPU."""
