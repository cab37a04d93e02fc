"""Choice of a method for a data set: systems ranked over the number of labeled anomalies, and advice in a sentence."""
