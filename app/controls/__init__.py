"""Controls and their place in the address."""
