"""RunConfig: the one frozen, validated description of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from anoonly_core.baselines import BASELINES, NORM_LABELS
from anoonly_core.errors import InvalidConfig

__all__ = ["MAX_CONTAMINATION", "RULES", "RunConfig", "check_field", "make_config"]

MAX_CONTAMINATION = 0.8

# What each setting may be, in words: for messages, help texts and the command line alike.
RULES = {
    "dataset": "the name of a data set, or the path of a .csv, .parquet or .npz file and how it is read, such as "
    "file.csv?label=class&anomaly=4,5",
    "baseline": f"one of {', '.join(BASELINES)}",
    "lambda_n": "a number from 0 (AnoOnly) to 1 (the baseline)",
    "norm": f"one of {', '.join(NORM_LABELS)}",
    "batch_size": "a whole number from 1 to 65536",
    "epochs": "a whole number from 1 to 10000",
    "learning_rate": "a number above 0 and up to 1",
    "labeled_ratio": "a number above 0 and up to 1, the share of training anomalies whose label is seen",
    "normal_ratio": "a number above 0 and up to 1, the share of the pool's normal rows that is kept",
    "contamination": f"'natural' or a number from 0 to {MAX_CONTAMINATION}, the anomalous share of the pool",
    "preset": "'paper' or 'published_code'",
    "protocol": "'leak_free' or 'published'",
    "seed": "a whole number from 0 to 2147483647",
}

Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class RunConfig(BaseModel):
    """Everything that decides a run's scores, apart from the data itself.

    norm, batch_size, epochs and learning_rate that are not given are filled in from what is
    published for the baseline and preset, so that a config always says what will really run. What a
    comparator does not have, such as λ_n, is None, and giving it is an error.
    Build it with `make_config`, which turns pydantic's report into one sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: StrictStr = Field(default="digits_3", min_length=1, max_length=4096)
    baseline: StrictStr = "DeepSAD"
    lambda_n: float | None = Field(default=None, ge=0, le=1)
    norm: Literal["batch", "batch_no_affine", "layer", "none", "bn_loss"] | None = None
    batch_size: int | None = Field(default=None, ge=1, le=65536)
    epochs: int | None = Field(default=None, ge=1, le=10000)
    learning_rate: float | None = Field(default=None, gt=0, le=1)
    labeled_ratio: Share = 0.1
    normal_ratio: Share = 1.0
    contamination: Literal["natural"] | Annotated[float, Field(ge=0, le=MAX_CONTAMINATION)] = "natural"
    preset: Literal["paper", "published_code"] = "paper"
    protocol: Literal["leak_free", "published"] = "leak_free"
    seed: int = Field(default=0, ge=0, le=2**31 - 1)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_what_is_published(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        filled = {name: value for name, value in values.items() if value is not None}
        # A wrong name is reported by its own field; filling in goes on, so that it is the one reported.
        name, preset = filled.get("baseline"), filled.get("preset")
        baseline = BASELINES[name if isinstance(name, str) and name in BASELINES else "DeepSAD"]
        settings = baseline.settings[preset if isinstance(preset, str) and preset in baseline.settings else "paper"]
        if baseline.norms is not None:
            lambda_n = filled.setdefault("lambda_n", 1.0)
            pairing = preset if isinstance(preset, str) and preset in baseline.norms else "paper"
            filled.setdefault("norm", baseline.paired_norm(_number(lambda_n), pairing))
        for setting in ("batch_size", "epochs", "learning_rate"):
            filled.setdefault(setting, getattr(settings, setting))
        return filled

    @field_validator("baseline")
    @classmethod
    def _known_baseline(cls, name: str) -> str:
        if name not in BASELINES:
            raise ValueError("unknown baseline")
        return name

    @field_validator("lambda_n", "contamination")
    @classmethod
    def _one_zero(cls, value: float | str | None) -> float | str | None:
        return value + 0.0 if isinstance(value, float) else value  # -0.0 and 0 are one setting, one key

    @model_validator(mode="after")
    def _fits_the_baseline(self) -> RunConfig:
        baseline = BASELINES[self.baseline]
        for setting in _SOME_LACK:
            if getattr(self, setting) is not None and not baseline.has(setting):
                raise _misfit(f"{self.baseline} has no {setting}: leave it out.")
        if self.preset not in baseline.settings:
            raise _misfit(f"{self.baseline} has no preset {self.preset!r}, only {' and '.join(baseline.settings)}.")
        if self.batch_size is not None and self.batch_size < baseline.smallest_batch:
            raise _misfit(
                f"batch_size must be {baseline.smallest_batch} or more for {self.baseline}, whose batches hold a fixed "
                f"share of labeled anomalies, not {self.batch_size}."
            )
        return self

    def with_(self, **changes: Any) -> RunConfig:
        """A copy with some settings changed, validated again."""
        return make_config(**{**self.model_dump(), **changes})

    def canonical(self) -> str:
        """The config as one line of JSON, equal for equal configs."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)


_SOME_LACK = ("lambda_n", "norm", "batch_size", "epochs", "learning_rate")
_MISFIT = "misfit"


def _misfit(sentence: str) -> PydanticCustomError:
    # The sentence is a value, so that braces in it stay as they are.
    return PydanticCustomError(_MISFIT, "{sentence}", {"sentence": sentence})


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def make_config(**values: Any) -> RunConfig:
    """A RunConfig from settings by name; None means "as published".

    Raises InvalidConfig with one sentence about the first setting that cannot be.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        detail = error.errors()[0]
        name = str(detail["loc"][0]) if detail["loc"] else "config"
        if detail["type"] == _MISFIT:
            raise InvalidConfig(detail["msg"]) from error
        if detail["type"] == "extra_forbidden":
            raise InvalidConfig(f"There is no setting called {name!r}.") from error
        raise InvalidConfig(_sentence(name, values.get(name))) from error


def check_field(name: str, value: Any) -> Any:
    """One setting's value as a config would hold it; raises InvalidConfig as make_config does."""
    return getattr(make_config(**{name: value}), name)


def _sentence(name: str, value: Any) -> str:
    shown = " ".join(repr(value).splitlines())
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return f"{name} must be {RULES.get(name, 'another value')}, not {shown}."
