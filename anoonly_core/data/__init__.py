"""Data sets: catalogue, bundled sets, ADBench files, user tables, and the split."""
