"""The store keys of the two stages of cleaning."""

from __future__ import annotations

from anoonly_core.purify.config import POOL_SCORERS, PurifyConfig
from anoonly_core.results.keys import digest, run_key

__all__ = ["pool_scores_key", "purify_key"]


PURIFY_REVISION = 1  # the same for what purify does beside training


def pool_scores_key(config: PurifyConfig) -> str:
    """The key of a cleaning's first stage, whatever it removes then."""
    models = run_key(POOL_SCORERS[config.scorer].system(config.run))  # with the revision of their own code
    stage = [PURIFY_REVISION, run_key(config.run), config.scorer, models, config.parts]
    return digest({"suspected": stage})


def purify_key(config: PurifyConfig) -> str:
    """The key of what comes of cleaning a pool."""
    return digest({"purified": pool_scores_key(config), "remove": config.remove})
