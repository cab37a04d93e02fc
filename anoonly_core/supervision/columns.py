"""The six runs that tell which part of a norm supervises the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anoonly_core.baselines import BASELINES, GRADIENT_SHARES, NORM_SETTINGS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.errors import InvalidConfig

__all__ = ["COLUMNS", "Column", "column_configs"]


@dataclass(frozen=True)
class Column:
    """One of the six runs that are compared, each with another norm or gradient.

    Attributes
    ----------
    name : str
        Name in the code.
    label : str
        Name for a reader.
    norm : str or None
        The norm; None for the batch norm that is published for AnoOnly.
    cut : tuple of str
        The gradient shares of RunConfig that are 0; the others are 1.
    """

    name: str
    label: str
    norm: str | None = None
    cut: tuple[str, ...] = ()


COLUMNS = (
    Column("whole", "batch norm"),
    Column("without_variance", "variance part cut", cut=("grad_variance",)),
    Column("without_mean", "mean part cut", cut=("grad_mean",)),
    Column("without_both", "both parts cut", cut=("grad_variance", "grad_mean")),
    Column("layer", "layer norm", norm="layer"),
    Column("none", "no norm", norm="none"),
)


def column_configs(config: RunConfig) -> list[RunConfig]:
    """Return six configs, one per column of COLUMNS: `config` with another norm and other gradient shares.

    Raises
    ------
    InvalidConfig
        If the system has no norm to choose or no λ_n.
    """
    baseline = BASELINES[config.baseline]
    if not (baseline.has("norm") and baseline.has("lambda_n")):
        raise InvalidConfig(f"{config.baseline} has no norm to compare: choose another baseline.")
    batch_norm = make_config(baseline=config.baseline, preset=config.preset, lambda_n=0.0).norm
    changes: list[dict[str, Any]] = [
        {
            **dict.fromkeys(NORM_SETTINGS),
            "norm": column.norm or batch_norm,
            **{name: float(name not in column.cut) for name in GRADIENT_SHARES},
        }
        for column in COLUMNS
    ]
    return [config.with_(**change) for change in changes]
