"""Tables of the user's own: formats, column types, labels and preprocessing."""
