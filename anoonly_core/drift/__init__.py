"""Drift: a stream whose rows change, and the ways in which the statistics of the norms may follow."""
