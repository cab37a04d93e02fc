"""Contributions of the features to the score of a row, and the test whether they explain it."""
