"""The gradient of a run, split into its direct, variance and mean parts."""
