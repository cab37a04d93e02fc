"""The page Why it works."""
