"""Results, their keys and the store."""
