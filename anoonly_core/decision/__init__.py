"""From scores to decisions: held-back scores, conformal p-values, and rules that choose a threshold."""
