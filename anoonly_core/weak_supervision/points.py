"""The runs of the comparison: every mechanism at every level of its dial, at two weights of the loss on the pool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from anoonly_core.baselines import BASELINES, BATCH_NORMS, MECHANISMS, NORM_SETTINGS
from anoonly_core.config import RunConfig
from anoonly_core.errors import InvalidConfig

__all__ = ["LAMBDAS", "SEEDS", "mechanism_configs", "reference_norm"]

LAMBDAS = (0.0, 0.01)  # AnoOnly, and a small weight of the loss on the pool
SEEDS = 5


def reference_norm(config: RunConfig) -> str:
    """Return the name of the batch norm that is published for AnoOnly with the system of a config.

    Every mechanism is compared with this norm.

    Raises
    ------
    InvalidConfig
        If the system has no norm to choose.
    """
    baseline = BASELINES[config.baseline]
    if not baseline.has("norm"):
        raise InvalidConfig(f"{config.baseline} has no norm to choose: choose another baseline.")
    norm = baseline.paired_norm(0.0, config.preset)
    assert norm in BATCH_NORMS
    return norm


def mechanism_configs(
    config: RunConfig, seeds: int = SEEDS, names: Iterable[str] = MECHANISMS
) -> Mapping[str, list[RunConfig]]:
    """Return the runs of the comparison by mechanism: all levels of its dial, at two λ_n, with several seeds.

    Parameters
    ----------
    config : RunConfig
        Data, system and first seed; norm, strength, gradient shares and λ_n do not matter.
    seeds : int
        Runs per point, with seeds counting up.
    names : iterable of str
        Mechanisms, by their names in MECHANISMS.

    Returns
    -------
    mapping of str to list of RunConfig
        By mechanism: all levels, at each λ_n of LAMBDAS, at each seed; the seed varies fastest.

    Raises
    ------
    InvalidConfig
        If the system has no norm to choose.
    """
    reference_norm(config)
    plain = config.with_(**dict.fromkeys(NORM_SETTINGS))
    return {
        name: [
            plain.with_(norm=name, norm_strength=level, lambda_n=lambda_n, seed=config.seed + number)
            for level in _levels(name)
            for lambda_n in LAMBDAS
            for number in range(seeds)
        ]
        for name in names
    }


def _levels(name: str) -> tuple[float | None, ...]:
    dial = MECHANISMS[name].dial
    return (None,) if dial is None else dial.levels
