"""LLBNAD (arXiv 2508.07441): clean a contaminated pool, then train on what is left."""
