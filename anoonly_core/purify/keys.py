"""The store keys of the two stages of cleaning."""

from __future__ import annotations

from anoonly_core.purify.config import SCORERS, PurifyConfig
from anoonly_core.results.keys import digest, run_key

__all__ = ["purified_key", "suspicion_key"]


PURIFY_REVISION = 1  # the same for what purify does beside training


def suspicion_key(config: PurifyConfig) -> str:
    """The key of a cleaning's first stage, whatever it removes then."""
    models = run_key(SCORERS[config.scorer].system(config.run))  # with the revision of their own code
    stage = [PURIFY_REVISION, run_key(config.run), config.scorer, models, config.parts]
    return digest({"suspected": stage})


def purified_key(config: PurifyConfig) -> str:
    """The key of what comes of cleaning a pool."""
    return digest({"purified": suspicion_key(config), "remove": config.remove})
