"""AnoOnly: semi-supervised anomaly detection with a loss on the labeled anomalies only (arXiv 2305.18798).

The public names are imported from their modules on first use, so that `import anoonly_core` loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anoonly_core.version import __version__

if TYPE_CHECKING:
    from anoonly_core.config import make_config
    from anoonly_core.detector.classifier import AnoOnlyClassifier
    from anoonly_core.detector.estimator import AnoOnlyDetector
    from anoonly_core.detector.folds import LabeledKFold
    from anoonly_core.drift.config import make_drift_config
    from anoonly_core.drift.run import run_drift
    from anoonly_core.features.encoders.registry import load_encoder
    from anoonly_core.features.opening import open_source
    from anoonly_core.features.run import make_features
    from anoonly_core.runs.run import run, run_many
    from anoonly_core.runs.sweep import sweep

__all__ = [
    "AnoOnlyClassifier",
    "AnoOnlyDetector",
    "LabeledKFold",
    "__version__",
    "load_encoder",
    "make_config",
    "make_drift_config",
    "make_features",
    "open_source",
    "run",
    "run_drift",
    "run_many",
    "sweep",
]

if not TYPE_CHECKING:  # a type checker would take every name for one of this package

    def __getattr__(name: str) -> Any:
        """Import a public name from its module."""
        match name:
            case "AnoOnlyClassifier":
                from anoonly_core.detector.classifier import AnoOnlyClassifier as value
            case "LabeledKFold":
                from anoonly_core.detector.folds import LabeledKFold as value
            case "AnoOnlyDetector":
                from anoonly_core.detector.estimator import AnoOnlyDetector as value
            case "make_config":
                from anoonly_core.config import make_config as value
            case "make_drift_config":
                from anoonly_core.drift.config import make_drift_config as value
            case "load_encoder":
                from anoonly_core.features.encoders.registry import load_encoder as value
            case "make_features":
                from anoonly_core.features.run import make_features as value
            case "open_source":
                from anoonly_core.features.opening import open_source as value
            case "run_drift":
                from anoonly_core.drift.run import run_drift as value
            case "run":
                from anoonly_core.runs.run import run as value
            case "run_many":
                from anoonly_core.runs.run import run_many as value
            case "sweep":
                from anoonly_core.runs.sweep import sweep as value
            case _:
                raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
