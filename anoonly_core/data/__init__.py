"""Data: the catalogue, the bundled sets, ADBench's files, files of the user's own, and the split."""
