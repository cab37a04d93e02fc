"""What the controls say: run B with its seeds, and A beside it, published or pinned in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig, make_config
from anoonly_core.errors import InvalidConfig
from app.controls.registry import CONTROLS, PUBLISHED

__all__ = ["PINNED_FIELDS", "Choice", "baseline_of", "choose", "default_choice", "from_pin", "pin_text"]

# What a pinned A holds on to; data set, protocol and seeds always follow B, so that the test rows are the same.
PINNED_FIELDS = tuple(name for name in RunConfig.model_fields if name not in ("dataset", "protocol", "seed"))


@dataclass(frozen=True)
class Choice:
    """What the controls say: run B for its first seed, and how many seeds."""

    b: RunConfig
    seeds: int

    def seeded(self, config: RunConfig) -> list[RunConfig]:
        """A config for each seed, the first one first."""
        return [config.with_(seed=self.b.seed + number) for number in range(self.seeds)]


def choose(values: Mapping[str, Any]) -> Choice:
    """What these values of all controls say; raises InvalidConfig where they do not fit together."""
    left = {control.name for control in CONTROLS if control.default == PUBLISHED}  # the protocol's own is not meant
    has = BASELINES[values["baseline"]].has
    settings = {
        name: None if not has(name) or (name in left and value == PUBLISHED) else value
        for name, value in values.items()
        if name != "seeds"
    }
    return Choice(make_config(**settings), values["seeds"])


def default_choice() -> Choice:
    """What the controls say before anybody has touched them."""
    return choose({control.name: control.default for control in CONTROLS})


def baseline_of(b: RunConfig) -> RunConfig:
    """A where nothing is pinned, as published and on the same data: B's baseline, or beside a comparator AnoOnly."""
    published: dict[str, Any] = dict.fromkeys(("norm", "batch_size", "epochs", "learning_rate"))
    if BASELINES[b.baseline].has("lambda_n"):
        return b.with_(lambda_n=1.0, **published)
    return b.with_(baseline="DeepSAD", lambda_n=0.0, **published)


def pin_text(config: RunConfig) -> str:
    """A pinned run as the URL's parameter `a`; what its baseline has no setting of is left out."""
    settings = {name: getattr(config, name) for name in PINNED_FIELDS}
    return ",".join(f"{name}={value}" for name, value in settings.items() if value is not None)


def from_pin(text: str, b: RunConfig) -> RunConfig:
    """The pinned run of a URL's parameter `a`, on B's data set; raises InvalidConfig."""
    pairs = dict(part.partition("=")[::2] for part in text.split(","))
    if unknown := set(pairs) - set(PINNED_FIELDS):
        raise InvalidConfig(f"the pinned run has no setting called {sorted(unknown)[0][:40]!r}.")
    return make_config(dataset=b.dataset, protocol=b.protocol, seed=b.seed, **pairs)
