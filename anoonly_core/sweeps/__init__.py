"""Grids of runs, and the experiments of the paper as presets."""
