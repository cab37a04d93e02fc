"""PurifyConfig: settings of cleaning a pool before the final head trains on the rest; without torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from anoonly_core.baselines import BASELINES, NORM_SETTINGS
from anoonly_core.config import RunConfig
from anoonly_core.errors import InvalidConfig

__all__ = ["KEEP_20", "MAX_PARTS", "POOL_SCORERS", "PURIFY_RULES", "PoolScorer", "PurifyConfig", "make_purify_config"]

MAX_PARTS = 20
MAX_REMOVED = 0.95
KEEP_20 = 0.8  # preset of the LLBNAD paper: keep the fifth of the pool with the lowest scores


@dataclass(frozen=True)
class PoolScorer:
    """Kind of the models that score a pool in the first stage.

    Attributes
    ----------
    label, summary : str
        Texts of the page.
    system : callable
        Maps the RunConfig of the final head to that of a first-stage model.
    sees_labels : bool
        True if the labeled anomalies are among the training rows of the model.
    """

    label: str
    summary: str
    system: Callable[[RunConfig], RunConfig]
    sees_labels: bool


def _at_lambda_one(run: RunConfig) -> RunConfig:
    """Return the same head at λ_n = 1; a norm that was the published one becomes the published one for λ_n = 1."""
    paired = BASELINES[run.baseline].paired_norm(run.lambda_n or 0.0, run.preset)
    if run.norm != paired:
        return run.with_(lambda_n=1.0)
    return run.as_published("norm").with_(lambda_n=1.0, norm=None)


def _as_published(baseline: str) -> Callable[[RunConfig], RunConfig]:
    """Return a function that maps a run to one of `baseline` with its published settings on the same rows."""
    published = dict.fromkeys(("norm", "batch_size", "epochs", "learning_rate", *NORM_SETTINGS))
    return lambda run: run.with_(baseline=baseline, lambda_n=1.0, preset="paper", **published)


POOL_SCORERS: Mapping[str, PoolScorer] = MappingProxyType(
    {
        "same": PoolScorer(
            "the same head at λₙ = 1",
            "Each part's model is the final head, trained as the published baseline with all labeled anomalies.",
            _at_lambda_one,
            sees_labels=True,
        ),
        "svdd": PoolScorer(
            "SVDD (DeepSAD without labels)",
            "Each part's model is DeepSAD's network trained without labels: the distance to its center.",
            _as_published("DeepSAD"),
            sees_labels=False,
        ),
        "autoencoder": PoolScorer(
            "autoencoder (FEAWAD's)",
            "Each part's model is FEAWAD's autoencoder, trained on the part alone: its reconstruction error.",
            _as_published("FEAWAD"),
            sees_labels=False,
        ),
    }
)

PURIFY_RULES = {
    "scorer": f"one of {', '.join(POOL_SCORERS)}",
    "parts": f"a whole number from 1 to {MAX_PARTS}",
    "remove": f"a number from 0 to {MAX_REMOVED}, the share of the pool's rows to remove",
}


class PurifyConfig(BaseModel):
    """Settings that decide the result of cleaning a pool, apart from the data.

    Build it with `make_purify_config`, which reports the first invalid setting in one sentence.

    Attributes
    ----------
    run : RunConfig
        Run of the final head; its pool is cleaned.
    scorer : str
        Model that scores the pool, a key of POOL_SCORERS.
    parts : int
        Number K of models, each trained on one part of the pool.
    remove : float or None
        Share q of the pool rows to remove; None is the contamination of the pool, if that is known.

    Notes
    -----
    Source: LLBNAD, arXiv 2508.07441; docs/methods.md § 7.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    run: RunConfig
    scorer: str = "same"
    parts: int = Field(default=3, ge=1, le=MAX_PARTS)
    remove: float | None = Field(default=None, ge=0, le=MAX_REMOVED)

    @field_validator("scorer")
    @classmethod
    def _known_scorer(cls, name: str) -> str:
        if name not in POOL_SCORERS:
            raise ValueError("unknown scorer")
        return name

    @field_validator("remove")
    @classmethod
    def _one_zero(cls, value: float | None) -> float | None:
        return None if value is None else value + 0.0  # -0.0 and 0 are the same setting with the same key

    @model_validator(mode="after")
    def _has_a_pool_loss(self) -> PurifyConfig:
        if not BASELINES[self.run.baseline].has("lambda_n"):
            heads = ", ".join(name for name, baseline in BASELINES.items() if baseline.has("lambda_n"))
            raise PydanticCustomError(
                "misfit", "{sentence}", {"sentence": f"{self.run.baseline} cannot be the final head: take {heads}."}
            )
        return self

    def canonical(self) -> str:
        """Return the config as one line of JSON; equal configs give equal lines."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)


def make_purify_config(run: RunConfig, **values: Any) -> PurifyConfig:
    """Build a PurifyConfig from the run of the final head and settings by name; None means the default.

    Raises
    ------
    InvalidConfig
        With one sentence about the first invalid setting.
    """
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return PurifyConfig.model_validate({"run": run, **given})
    except ValidationError as error:
        detail = error.errors()[0]
        if detail["type"] == "misfit":
            raise InvalidConfig(detail["msg"]) from error
        name = str(detail["loc"][0])
        if name not in PURIFY_RULES:
            raise InvalidConfig(f"There is no setting called {name!r}.") from error
        raise InvalidConfig(f"{name} must be {PURIFY_RULES[name]}, not {str(values[name])[:60]!r}.") from error
