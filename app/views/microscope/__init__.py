"""The page Microscope."""
