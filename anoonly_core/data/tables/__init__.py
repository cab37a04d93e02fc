"""Tables from users: formats, column types, labels and preprocessing."""
