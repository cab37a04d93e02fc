"""ZeroShotConfig: frozen, validated settings of a meta-training and its test; free of torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError

from anoonly_core.errors import InvalidConfig
from anoonly_core.zero_shot.class_table import ClassTable, class_table_identity

__all__ = [
    "RULES",
    "SMALL_BATCH",
    "ZeroShotConfig",
    "check_classes",
    "make_zero_shot_config",
    "smaller_class_sets",
    "zero_shot_key",
]

REVISION = 1
SMALL_BATCH = 16  # rows; the statistics of a smaller batch are unreliable

RULES = {
    "table": "the name of a table of several classes or the path of a table file",
    "column": "the name of the file's column that says each row's class",
    "held_out": "the classes to test on, which training never sees",
    "meta": "the classes to train on, two or more; all others unless given",
    "objective": "'svdd' or 'bce'",
    "tasks": "a whole number from 1 to 64, the tasks of a training step",
    "rows": "a whole number from 8 to 512, the rows of a task",
    "normal_share": "a number from 0.5 to 0.98, the share π of a task's rows that are of its own class",
    "steps": "a whole number from 1 to 5000",
    "learning_rate": "a number above 0 and up to 0.1",
    "test_rows": "a whole number from 2 to 1000, the rows of a test batch; one row has no statistics",
    "seed": "a whole number from 0 to 2147483647",
}


class ZeroShotConfig(BaseModel):
    """Settings that decide the result of a zero-shot run, apart from the data.

    Build it with `make_zero_shot_config`, which reports the first invalid setting in one sentence. RULES describes
    each setting. Source of the defaults: docs/methods.md § 6.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    table: StrictStr = Field(default="digits", min_length=1, max_length=4096)
    column: StrictStr | None = None
    held_out: tuple[StrictStr, ...] = Field(min_length=1)
    meta: tuple[StrictStr, ...] = Field(min_length=2)
    objective: Literal["svdd", "bce"] = "svdd"
    tasks: int = Field(default=16, ge=1, le=64)
    rows: int = Field(default=60, ge=8, le=512)
    normal_share: float = Field(default=0.8, ge=0.5, le=0.98)
    steps: int = Field(default=200, ge=1, le=5000)
    learning_rate: float = Field(default=1e-3, gt=0, le=0.1)
    test_rows: int = Field(default=100, ge=2, le=1000)
    seed: int = Field(default=0, ge=0, le=2**31 - 1)

    @property
    def normal_rows(self) -> int:
        """Number of rows that a task draws from its normal class; at least one row of a task is a pseudo-anomaly."""
        return min(round(self.normal_share * self.rows), self.rows - 1)

    def with_(self, **changes: Any) -> ZeroShotConfig:
        """Return a copy with some settings changed, by name, and validated; raise InvalidConfig if one is invalid."""
        return make_zero_shot_config(**{**self.model_dump(), **changes})

    def canonical(self) -> str:
        """Return the config as one line of JSON; equal configs give equal lines."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)


def make_zero_shot_config(**values: Any) -> ZeroShotConfig:
    """Build a ZeroShotConfig from settings by name; None means the default.

    Raises
    ------
    InvalidConfig
        With one sentence about the first invalid setting.
    """
    try:
        return ZeroShotConfig.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        shown = " ".join(repr(values.get(name)).splitlines())[:60]
        raise InvalidConfig(f"{name} must be {RULES.get(name, 'left out')}, not {shown}.") from error


def smaller_class_sets(config: ZeroShotConfig) -> list[ZeroShotConfig]:
    """Return copies of a config that train on its first 2, 3, … meta-training classes, up to all of them."""
    return [config.with_(meta=config.meta[:count]) for count in range(2, len(config.meta) + 1)]


def check_classes(config: ZeroShotConfig, table: ClassTable) -> None:
    """Check that a table has the classes of a config, each once and with enough rows.

    Raises
    ------
    InvalidConfig
        If a class is not in the table, occurs twice, or has fewer rows than a task or a test batch needs.
    """
    for setting, chosen in (("held_out", config.held_out), ("meta", config.meta)):
        if unknown := [name for name in chosen if name not in table.names]:
            known = ", ".join(table.names[:12])
            raise InvalidConfig(f"{setting} names {unknown[0][:40]!r}, but the classes of {table.name} are {known}.")
        if len(set(chosen)) < len(chosen):
            raise InvalidConfig(f"{setting} names a class twice.")
    if both := sorted(set(config.held_out) & set(config.meta)):
        raise InvalidConfig(f"The class {both[0]!r} is held out and cannot be trained on too.")
    _check_sizes(table, config.meta, config.normal_rows, "a task draws {} of a class it trains on; take fewer rows")
    _check_sizes(table, config.held_out, 1, "a class that is tested needs {}")
    if table.has_class_anomalies:
        _check_sizes(table, config.held_out, 1, "a class that is tested needs {} anomaly of its own", anomalous=True)


def _check_sizes(table: ClassTable, chosen: Sequence[str], least: int, sentence: str, anomalous: bool = False) -> None:
    counts = {name: int(np.size(table.rows_of(name, anomalous))) for name in chosen}
    name, count = min(counts.items(), key=lambda item: item[1])
    if count < least:
        raise InvalidConfig(f"The class {name[:40]!r} has {count} rows, and {sentence.format(least)}.")


def zero_shot_key(config: ZeroShotConfig) -> str:
    """Return the store key of a zero-shot run, as a hexadecimal SHA-256.

    The key depends on the config, the code revision and the identity of the data.
    """
    parts = [config.canonical(), REVISION, class_table_identity(config.table, config.column)]
    return hashlib.sha256(json.dumps(["zero-shot", *parts]).encode()).hexdigest()
