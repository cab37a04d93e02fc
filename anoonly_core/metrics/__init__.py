"""Metrics of scores, one run at a time or stacked, and confidence intervals."""
