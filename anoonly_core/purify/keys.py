"""Store keys of the two stages of purify."""

from __future__ import annotations

from anoonly_core.purify.config import POOL_SCORERS, PurifyConfig
from anoonly_core.results.keys import digest, run_key

__all__ = ["pool_scores_key", "purify_key"]


PURIFY_REVISION = 1  # increase when the partition, the mean score or the removal changes


def pool_scores_key(config: PurifyConfig) -> str:
    """Return the store key of the first stage, the scores of a pool, as a hexadecimal SHA-256.

    The share of rows to remove does not change it.
    """
    models = run_key(POOL_SCORERS[config.scorer].system(config.run))  # includes the revision of the scorer's code
    stage = [PURIFY_REVISION, run_key(config.run), config.scorer, models, config.parts]
    return digest({"suspected": stage})


def purify_key(config: PurifyConfig) -> str:
    """Return the store key of the result of both stages, as a hexadecimal SHA-256."""
    return digest({"purified": pool_scores_key(config), "remove": config.remove})
