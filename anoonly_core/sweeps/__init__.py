"""Sweeps: grids of runs, and the paper's questions as presets."""
