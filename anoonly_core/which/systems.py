"""Systems that are ranked against each other: a baseline with its λ_n or its preset, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from anoonly_core.baselines import BASELINES, Baseline
from anoonly_core.errors import InvalidConfig

__all__ = ["DEFAULT_SYSTEMS", "SYSTEMS", "System", "systems_of"]


@dataclass(frozen=True)
class System:
    """A system of the ranking.

    Attributes
    ----------
    name
        Name in tables and on pages, such as "DeepSAD + AnoOnly" or "XGBoost, tuned".
    kind
        "anoonly" (λ_n = 0), "baseline" (λ_n = 1), "classifier" or "comparator" (without λ_n, with labels), or
        "unsupervised" (without labels).
    settings
        Settings of `make_config` that make the system.
    """

    name: str
    kind: str
    settings: Mapping[str, Any] = field(hash=False)


def _systems(baseline: Baseline) -> Iterator[System]:
    name = baseline.name
    if baseline.norms is not None:
        yield System(name, "baseline", {"baseline": name, "lambda_n": 1.0})
        yield System(f"{name} + AnoOnly", "anoonly", {"baseline": name, "lambda_n": 0.0})
    elif "default" not in baseline.settings:
        yield System(name, "comparator", {"baseline": name})
    else:
        kind = "classifier" if "tuned" in baseline.settings else "unsupervised"
        for preset in baseline.settings:
            shown = name if preset == "default" else f"{name}, {preset}"
            yield System(shown, kind, {"baseline": name, "preset": preset})


SYSTEMS: Mapping[str, System] = MappingProxyType(
    {system.name: system for baseline in BASELINES.values() for system in _systems(baseline)}
)
# Those that need no optional package and train in seconds.
DEFAULT_SYSTEMS = (
    *("LogisticRegression", "LogisticRegression, tuned", "RandomForest", "HistGradientBoosting"),
    *("DeepSAD", "DeepSAD + AnoOnly", "DevNet", "DevNet + AnoOnly", "Classifier", "Classifier + AnoOnly"),
    *("KNN", "IsolationForest"),
)


def systems_of(names: Sequence[str]) -> tuple[System, ...]:
    """Return the systems with these names, each once, in the order of the names.

    Raise InvalidConfig for an unknown name or none at all.

    Case and spaces do not matter: "deepsad+anoonly" is "DeepSAD + AnoOnly".
    """
    by_name = {_plain(name): system for name, system in SYSTEMS.items()}
    found: dict[str, System] = {}
    for name in names:
        if (system := by_name.get(_plain(name))) is None:
            raise InvalidConfig(f"There is no system called {name[:60]!r}: take some of {'; '.join(SYSTEMS)}.")
        found[system.name] = system
    if not found:
        raise InvalidConfig("Give at least one system.")
    return tuple(found.values())


def _plain(name: str) -> str:
    return "".join(name.lower().split())
