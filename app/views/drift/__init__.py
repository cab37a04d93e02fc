"""The page Drift."""
