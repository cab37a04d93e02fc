"""Data to Plotly figures, as pure functions."""
