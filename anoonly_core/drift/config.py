"""DriftConfig: frozen, validated settings of a stream and of the ways to score it; free of torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.drift.shifts import SHIFTS
from anoonly_core.drift.ways import GUARDS, NORMS_THAT_FOLLOW, WAYS
from anoonly_core.errors import InvalidConfig, did_you_mean
from anoonly_core.results.keys import digest, run_key

__all__ = [
    "ABSORPTION_SHARES",
    "DEFAULT_BATCHES",
    "MAX_BATCH_ROWS",
    "RULES",
    "SCHEDULES",
    "DriftConfig",
    "absorption_key",
    "drift_key",
    "make_drift_config",
]

REVISION = 2  # increase whenever a stream, a way of scoring or a threshold changes
DEFAULT_BATCHES = 60
MAX_BATCH_ROWS = 256  # of the blocks in which rows are scored, so that scores equal those of a run to the bit
MAX_RETRAININGS = 20
ABSORPTION_SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8)

SCHEDULES = ("none", "sudden", "gradual", "recurring")
RULES = {
    "shift": f"one of {', '.join(SHIFTS)}",
    "schedule": f"one of {', '.join(SCHEDULES)}",
    "amount": "a number from 0 to 10, or to the most of its shift, the intensity of the full shift in the unit of the "
    "shift",
    "start": "a whole number from 1, below batches, the first shifted batch; a third of batches unless given",
    "period": "a whole number of batches from 1: until a gradual shift is full, or a recurring one goes or comes; a "
    "sixth of batches unless given",
    "batches": "a whole number from 2 to 1000",
    "rows": f"a whole number from 8 to {MAX_BATCH_ROWS}, the rows of a batch",
    "anomaly_share": "a number from 0 to 0.9, the share of anomalies in a batch",
    "alpha": "a number from 0 to 1, the batch's share of mixed statistics",
    "rate": "a number from 0 to 1, the share of a batch in moving statistics",
    "guard": f"one of {', '.join(GUARDS)}",
    "retrain_every": f"0 for never, or a whole number of batches, at most {MAX_RETRAININGS} times in a stream",
    "standardize": "true or false: scores in deviations from the mean of their batch",
    "level": "a number from 0.01 to 0.5, the promised false-alarm rate",
}

Share = Annotated[float, Field(ge=0, le=1)]


class DriftConfig(BaseModel):
    """Settings that decide the scores of a stream, apart from the data; build it with `make_drift_config`.

    RULES describes each setting. Source: docs/methods.md § 18.

    Attributes
    ----------
    run : RunConfig
        The trained network; the stream holds test rows of its split.
    shift, schedule : str
        Kind of the shift, a key of SHIFTS, and its course, one of SCHEDULES.
    amount : float
        Intensity of the full shift; filled in with the default of the shift.
    start, period : int
        First shifted batch, counted from 0, and batches of a gradual or recurring course; filled in.
    batches, rows : int
        Batches of the stream, and rows of a batch. In real order there are as many batches as the rows fill.
    anomaly_share : float
        Share of anomalies in a batch; in real order the rows decide.
    alpha, rate : float
        Share of the batch in mixed and in moving statistics.
    guard : str
        What guarded statistics keep out, a key of GUARDS.
    retrain_every : int
        Batches between two trainings; 0 for none.
    standardize : bool
        True for scores in deviations from the mean of their batch.
    level : float
        Promised rate of false alarms among normal rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    run: RunConfig
    shift: str = "mean"
    schedule: Literal["none", "sudden", "gradual", "recurring"] = "sudden"
    amount: float = Field(ge=0, le=10)
    start: int = Field(ge=1)
    period: int = Field(ge=1, le=1000)
    batches: int = Field(default=DEFAULT_BATCHES, ge=2, le=1000)
    rows: int = Field(default=64, ge=8, le=MAX_BATCH_ROWS)
    anomaly_share: float = Field(default=0.05, ge=0, le=0.9)
    alpha: Share = 0.5
    rate: Share = 0.1
    guard: Literal["none", "threshold", "trimmed"] = "trimmed"
    retrain_every: int = Field(default=0, ge=0, le=1000)
    standardize: bool = False
    level: float = Field(default=0.05, ge=0.01, le=0.5)

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        filled = {name: value for name, value in values.items() if value is not None}
        shift = filled.get("shift", "mean")
        filled.setdefault("amount", SHIFTS[shift].default if isinstance(shift, str) and shift in SHIFTS else 0.0)
        if shift == "order":
            filled.setdefault("schedule", "none")
        batches = filled.get("batches", DEFAULT_BATCHES)
        try:
            count = int(batches)
        except (TypeError, ValueError, OverflowError):
            count = DEFAULT_BATCHES  # its own field reports it
        filled.setdefault("start", max(1, count // 3))
        filled.setdefault("period", min(1000, max(1, count // 6)))
        return filled

    @field_validator("shift")
    @classmethod
    def _known_shift(cls, name: str) -> str:
        if name not in SHIFTS:
            raise ValueError("unknown shift")
        return name

    @field_validator("amount", "anomaly_share", "alpha", "rate")
    @classmethod
    def _drop_sign_of_zero(cls, value: float) -> float:
        return value + 0.0  # -0.0 and 0 must have one key

    @model_validator(mode="after")
    def _check(self) -> DriftConfig:
        shift = SHIFTS[self.shift]
        if BASELINES[self.run.baseline].network is None:
            raise _misfit(f"{self.run.baseline} has no network whose statistics could follow: take another system.")
        if self.amount > shift.most:
            raise _misfit(f"amount must be {shift.most:g} at most for the shift {self.shift}, not {self.amount:g}.")
        if self.start >= self.batches:
            raise _misfit(f"start must be below batches, {self.batches}, not {self.start}.")
        if self.retrain_every and self.batches > self.retrain_every * (MAX_RETRAININGS + 1):
            least = -(-self.batches // (MAX_RETRAININGS + 1))
            raise _misfit(f"retrain_every must be 0 or at least {least} for {self.batches} batches.")
        if self.shift == "order":
            if self.schedule != "none":
                raise _misfit("The shift order adds nothing to the rows: leave schedule out or set it to none.")
            if self.run.protocol != "by_time":
                raise _misfit("The shift order needs the protocol by_time, which trains on the past.")
        return self

    @property
    def follows(self) -> bool:
        """True if the network has a norm whose statistics can follow; otherwise all ways but retraining coincide."""
        return self.run.norm in NORMS_THAT_FOLLOW

    @property
    def distinct_ways(self) -> tuple[str, ...]:
        """Names of the ways whose scores can differ from those of the ways before them, in the order of WAYS."""
        same = set() if self.follows else {"batch", "mixed", "moving", "guarded"}
        if self.guard == "none":
            same.add("guarded")
        if not self.retrain_every:
            same.add("retrained")
        return tuple(name for name in WAYS if name not in same)

    def intensity(self, batches: int | None = None) -> np.ndarray:
        """Return the intensity of the shift in each batch, float32 [batches]; the number of batches is that of None."""
        after = np.arange(self.batches if batches is None else batches) - self.start
        profiles = {
            "none": np.zeros(len(after)),
            "sudden": after >= 0,
            "gradual": np.clip((after + 1) / self.period, 0, 1),
            "recurring": (after >= 0) & (after // self.period % 2 == 0),
        }
        return np.asarray(self.amount * profiles[self.schedule], dtype=np.float32)

    def with_(self, **changes: Any) -> DriftConfig:
        """Return a copy with some settings changed, by name, and validated; raise InvalidConfig if one is invalid."""
        return make_drift_config(**{**{name: getattr(self, name) for name in type(self).model_fields}, **changes})

    def canonical(self) -> str:
        """Return the config as one line of JSON; equal configs give equal lines."""
        return json.dumps({**self.model_dump(mode="json"), "run": json.loads(self.run.canonical())}, sort_keys=True)


def _misfit(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("misfit", "{sentence}", {"sentence": sentence})


def make_drift_config(run: RunConfig, **values: Any) -> DriftConfig:
    """Build a DriftConfig from the run of the network and settings by name; None means the default.

    Raises
    ------
    InvalidConfig
        With one sentence about the first invalid setting.
    """
    try:
        return DriftConfig.model_validate({"run": run, **values})
    except ValidationError as error:
        detail = error.errors()[0]
        if detail["type"] == "misfit":
            raise InvalidConfig(detail["msg"]) from error
        name = str(detail["loc"][0])
        if name not in RULES:
            raise InvalidConfig(
                f"There is no setting called {name!r}{did_you_mean(name[:60], RULES) or '.'}"
            ) from error
        shown = " ".join(repr(values.get(name)).splitlines())[:60]
        raise InvalidConfig(f"{name} must be {RULES[name]}, not {shown}.") from error


def drift_key(config: DriftConfig) -> str:
    """Return the store key of the scores of a stream, as a hexadecimal SHA-256.

    It depends on the settings, the revisions of the code and the identity of the data.
    """
    stream = config.model_dump(mode="json", exclude={"run"})
    return digest({"drift": run_key(config.run), "stream": stream, "revision": REVISION})


def absorption_key(config: DriftConfig, shares: Sequence[float] = ABSORPTION_SHARES) -> str:
    """Return the store key of an absorption curve; the shift and the share of anomalies do not change it."""
    without = {"run", "shift", "schedule", "amount", "start", "period", "anomaly_share", "retrain_every"}
    stream = config.model_dump(mode="json", exclude=without)
    parts = {"stream": stream, "shares": list(map(float, shares)), "revision": REVISION}
    return digest({"absorption": run_key(config.run), **parts})
