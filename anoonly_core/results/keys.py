"""Keys: what names a finished run, computed without torch so that the server can look one up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RunConfig
from anoonly_core.data.catalogue import resolve
from anoonly_core.data.split import SPLIT_FIELDS

__all__ = [
    "detector_key",
    "digest",
    "hidden_points_key",
    "input_points_key",
    "observation_key",
    "ranking_key",
    "replay_key",
    "revision_of",
    "run_key",
]

# Raised whenever split, layers or training change what any head scores.
ENGINE_REVISION = 1


def run_key(config: RunConfig, device: str = "cpu") -> str:
    """The key of a run: its config, the revision of its method's code, its data's identity, its device.

    device is "cpu" or "cuda": they round differently; what is no network of ours has the CPU's key, where alone
    it trains. Raises UnknownDataset.
    """
    return digest(
        {
            "config": config.canonical(),
            "revision": revision_of(config.baseline),
            "data": resolve(config.dataset).identity,
            "device": device if BASELINES[config.baseline].network is not None else "cpu",
        }
    )


def revision_of(baseline: str) -> list[int]:
    """What decides how a network of this baseline scores."""
    return [ENGINE_REVISION, BASELINES[baseline].revision]


def hidden_points_key(run: str, projector: str) -> str:
    """The key of a projection ("pca", "tsne", "umap") of what the run with this key sees in its rows."""
    return digest({"run": run, "projector": projector})


def detector_key(config: RunConfig) -> str:
    """The key of a run's network as a detector, and of what it says of all rows."""
    return digest({"fitted": run_key(config)})


def observation_key(config: RunConfig) -> str:
    """The key of what the microscope sees of a run."""
    return digest({"observed": run_key(config)})


def replay_key(configs: Sequence[RunConfig], projector: str) -> str:
    """The key of a replay of runs side by side, with maps by this projector."""
    return digest({"replayed": [run_key(config) for config in configs], "projector": projector})


def ranking_key(config: RunConfig, of: str | Sequence[int]) -> str:
    """The key of a table's ranking: by an unsupervised scorer's name, or by training on these marked rows."""
    return digest({"ranked": run_key(config), "of": of if isinstance(of, str) else sorted(map(int, of))})


def input_points_key(config: RunConfig, projector: str) -> str:
    """The key of a projection of a run's input rows: the same for all runs that share its split."""
    split = {name: getattr(config, name) for name in SPLIT_FIELDS}
    return digest(
        {"split": split, "revision": ENGINE_REVISION, "data": resolve(config.dataset).identity, "projector": projector}
    )


def digest(parts: dict[str, object]) -> str:
    """Hash the parts of a key: SHA-256 of their JSON, hexadecimal."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
