"""PurifyConfig: how a pool is cleaned before the final head trains on the rest; without torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.errors import InvalidConfig

__all__ = ["KEEP_20", "MAX_PARTS", "POOL_SCORERS", "PURIFY_RULES", "PoolScorer", "PurifyConfig", "make_purify_config"]

MAX_PARTS = 20
MAX_REMOVED = 0.95
KEEP_20 = 0.8  # the paper's preset: only the least suspicious fifth of the pool stays


@dataclass(frozen=True)
class PoolScorer:
    """What a model of the first stage is.

    label, summary: for the page. system: the run that such a model trains as, for the final head's
    run. sees_labels: whether the labeled anomalies are among its training rows.
    """

    label: str
    summary: str
    system: Callable[[RunConfig], RunConfig]
    sees_labels: bool


def _at_one(run: RunConfig) -> RunConfig:
    """The same head at λ_n = 1, with the norm that is published with it unless another was chosen."""
    paired = BASELINES[run.baseline].paired_norm(run.lambda_n or 0.0, run.preset)
    return run.with_(lambda_n=1.0, norm=None if run.norm == paired else run.norm)


def _as_published(baseline: str) -> Callable[[RunConfig], RunConfig]:
    """This system as the paper states it, on the same rows."""
    published = dict.fromkeys(("norm", "batch_size", "epochs", "learning_rate"))
    return lambda run: run.with_(baseline=baseline, lambda_n=1.0, preset="paper", **published)


POOL_SCORERS: Mapping[str, PoolScorer] = MappingProxyType(
    {
        "same": PoolScorer(
            "the same head at λₙ = 1",
            "Each part's model is the final head, trained as the published baseline with all labeled anomalies.",
            _at_one,
            sees_labels=True,
        ),
        "svdd": PoolScorer(
            "SVDD (DeepSAD without labels)",
            "Each part's model is DeepSAD's network without any label: the distance to its center.",
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
    "remove": f"a number from 0 to {MAX_REMOVED}, the share of the pool's rows that is taken away",
}


class PurifyConfig(BaseModel):
    """Everything that decides what comes of cleaning a pool, apart from the data itself.

    run: the final head's run, whose pool it is. scorer: what scores the pool's rows, see SCORERS.
    parts: K, how many models there are, each trained on one part of the pool. remove: q, the share of
    the pool's rows that is taken away; None: as large as the contamination, where it is known.
    Build it with `make_purify_config`, which turns pydantic's report into one sentence.
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
        return None if value is None else value + 0.0  # -0.0 and 0 are one setting, one key

    @model_validator(mode="after")
    def _has_a_pool_loss(self) -> PurifyConfig:
        if not BASELINES[self.run.baseline].has("lambda_n"):
            heads = ", ".join(name for name, own in BASELINES.items() if own.has("lambda_n"))
            raise PydanticCustomError(
                "misfit", "{sentence}", {"sentence": f"{self.run.baseline} cannot be the final head: take {heads}."}
            )
        return self

    def canonical(self) -> str:
        """The config as one line of JSON, equal for equal configs."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)


def make_purify_config(run: RunConfig, **values: Any) -> PurifyConfig:
    """A PurifyConfig from settings by name; None means the default.

    Raises InvalidConfig with one sentence about the first setting that cannot be.
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
