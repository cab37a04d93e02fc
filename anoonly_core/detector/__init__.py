"""A fitted detector: the scikit-learn estimator, its file and its scores."""
