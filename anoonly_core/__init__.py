"""AnoOnly: semi-supervised anomaly detection with a loss on the labeled anomalies only (arXiv 2305.18798)."""

__version__ = "0.1.0"

__all__ = ["__version__"]
