"""Sentences and labels, as pure functions."""
