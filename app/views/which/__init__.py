"""The page "Which method?"."""
