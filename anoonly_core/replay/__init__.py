"""A run recorded epoch by epoch."""
