"""Store keys of runs and experiments, computed without torch so that the server can look results up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from anoonly_core.baselines import BASELINES
from anoonly_core.config import LABEL_SETTINGS, RunConfig
from anoonly_core.data.catalogue import resolve
from anoonly_core.data.split import SPLIT_FIELDS
from anoonly_core.weights import weights_identity

__all__ = [
    "detector_key",
    "digest",
    "explanation_key",
    "hidden_points_key",
    "input_points_key",
    "measures_key",
    "observation_key",
    "ranked_row_key",
    "ranking_key",
    "replay_key",
    "revision_of",
    "run_key",
    "run_keys",
    "supervision_key",
]

# Increase whenever a change of split, layers or training changes the scores of any baseline.
ENGINE_REVISION = 1
# Increase whenever a record of supervision holds other moments, rows or arrows.
SUPERVISION_REVISION = 1
# Increase whenever rows known to be normal enter a training in another way; it is part of the key of such runs only.
KNOWN_NORMALS_REVISION = 1
# Increase whenever the measures of a run in the comparison of mechanisms mean something else.
MEASURES_REVISION = 1

# Increase whenever contributions or the deletion test are computed in another way.
EXPLANATION_REVISION = 1


def run_key(config: RunConfig, device: str = "cpu") -> str:
    """Return the store key of a run.

    Parameters
    ----------
    config : RunConfig
        Settings of the run.
    device : {"cpu", "cuda"}
        Device that trains it; the two round differently. A system without a network always has the key of the
        CPU.

    Returns
    -------
    str
        SHA-256, hexadecimal, of the config, the code revision, the identities of the data and of pretrained weights,
        and the device.

    Raises
    ------
    UnknownDataset
        If the data set does not exist.
    """
    return _run_key(config, device, resolve(config.dataset).identity)


def run_keys(configs: Sequence[RunConfig], device: str = "cpu") -> list[str]:
    """Return the `run_key` of each config; each data set is identified once, which reads a table file.

    Raises
    ------
    UnknownDataset
        If a data set does not exist.
    """
    identities = {name: resolve(name).identity for name in dict.fromkeys(config.dataset for config in configs)}
    return [_run_key(config, device, identities[config.dataset]) for config in configs]


def _run_key(config: RunConfig, device: str, identity: str) -> str:
    known_normals = {"known normals": KNOWN_NORMALS_REVISION} if config.weighs_known_normals else {}
    weights = {"weights": weights_identity(config.baseline)} if BASELINES[config.baseline].weights else {}
    return digest(
        {
            "config": config.canonical(),
            "revision": revision_of(config.baseline),
            "data": identity,
            "device": device if BASELINES[config.baseline].network is not None else "cpu",
            **known_normals,
            **weights,
        }
    )


def revision_of(baseline: str) -> list[int]:
    """Return the revisions [engine, baseline] of the code that decides the scores of a baseline, given by name."""
    return [ENGINE_REVISION, BASELINES[baseline].revision]


def hidden_points_key(run: str, projector: str) -> str:
    """Return the store key of projected hidden features of a run.

    `run` is the key of the run, `projector` "pca", "tsne" or "umap".
    """
    return digest({"run": run, "projector": projector})


def detector_key(config: RunConfig, all_rows: bool = False, holds_labels: bool = False) -> str:
    """Return the store key of the detector that a run trains, or with its settings on all rows, with all scores.

    With `holds_labels` the trainings for its threshold hold labeled anomalies back, too.
    """
    content: dict[str, object] = {"fitted on all rows" if all_rows else "fitted": run_key(config)}
    return digest(content | ({"labels": "held back"} if holds_labels else {}))


def observation_key(config: RunConfig) -> str:
    """Return the store key of the observed gradients of a run at its norms, see `microscope.run.observe`."""
    return digest({"observed": run_key(config)})


def replay_key(configs: Sequence[RunConfig], projector: str) -> str:
    """Return the store key of a replay of runs side by side, in this order, with maps by `projector`."""
    return digest({"replayed": [run_key(config) for config in configs], "projector": projector})


def explanation_key(config: RunConfig, rows: Sequence[int]) -> str:
    """Return the key of the explanation of rows, given by index in the data set, see `explanation.run.explain_run`."""
    return digest({"explained": run_key(config), "rows": list(map(int, rows)), "revision": EXPLANATION_REVISION})


def supervision_key(configs: Sequence[RunConfig]) -> str:
    """Return the store key of the record of runs that differ in their norms; see `supervision.run.record_columns`."""
    return digest({"supervision": [run_key(config) for config in configs], "revision": SUPERVISION_REVISION})


def measures_key(configs: Sequence[RunConfig]) -> str:
    """Return the key of the measures of runs; see `weak_supervision.run.measure_runs`."""
    return digest({"measures": [run_key(config) for config in configs], "revision": MEASURES_REVISION})


def ranking_key(config: RunConfig, of: str | Sequence[int], normals: Sequence[int] = ()) -> str:
    """Return the store key of a ranking of a table, whose name is `config.dataset`.

    `of` is the name of an unsupervised scorer, or the ids of the rows labeled as anomalies, in any order; `normals` are
    the ids of the rows labeled as normal.
    """
    labeled = {"normals": sorted(map(int, normals)), "revision": KNOWN_NORMALS_REVISION} if len(normals) else {}
    return digest({"ranked": run_key(config), "of": of if isinstance(of, str) else sorted(map(int, of)), **labeled})


def ranked_row_key(ranking: str, row: int) -> str:
    """Return the key of the explanation of one row of a ranking, whose key is `ranking`, by its number in the file."""
    return digest({"ranking": ranking, "row": row, "revision": EXPLANATION_REVISION})


def input_points_key(config: RunConfig, projector: str) -> str:
    """Return the store key of a projection of the scaled input rows by `projector`; runs of one split share the key."""
    default = config.defaults_among(LABEL_SETTINGS)
    split = {name: getattr(config, name) for name in SPLIT_FIELDS if name not in default}
    return digest(
        {"split": split, "revision": ENGINE_REVISION, "data": resolve(config.dataset).identity, "projector": projector}
    )


def digest(parts: dict[str, object]) -> str:
    """Return the hexadecimal SHA-256 of the JSON of the parts of a key, with sorted names."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
