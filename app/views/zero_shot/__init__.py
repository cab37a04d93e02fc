"""The page Zero-shot."""
