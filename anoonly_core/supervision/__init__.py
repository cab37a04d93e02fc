"""Runs whose norms, and what passes back through them, differ: recorded epoch by epoch, with gradients as arrows."""
