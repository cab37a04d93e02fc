"""Training: the stack of runs, the loop and its snapshots."""
