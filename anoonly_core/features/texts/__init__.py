"""Raw texts: the column of a table that holds them, and their begin as a preview."""
