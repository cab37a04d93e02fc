"""Stages from a moved control to the painted figure, in a real browser; `make bench ARGS=page`."""
