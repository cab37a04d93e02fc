"""make bench: how fast and how large, as ratios, since seconds are the machine's. One file a table."""
