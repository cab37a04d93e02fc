"""The page Weak supervision."""
