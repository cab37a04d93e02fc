"""Keys are equal for equal inputs and different for different ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anoonly_core.baselines import GRADIENT_SHARES, NORM_SETTINGS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data import catalogue
from anoonly_core.data.tables import uri
from anoonly_core.results import keys
from anoonly_core.results.keys import hidden_points_key, input_points_key, run_key, run_keys
from anoonly_core.runs.run import run_many

OTHER = {
    "dataset": "digits_4",
    "seed": 1,
    "labeled_ratio": 0.5,
    "normal_ratio": 0.5,
    "contamination": 0,
    "protocol": "published",
    "lambda_n": 0,
    "baseline": "DevNet",
    "norm": "layer",
    "batch_size": 64,
    "epochs": 2,
    "learning_rate": 0.5,
    "preset": "published_code",
    **dict.fromkeys(GRADIENT_SHARES, 0.5),
    "grad_place": "first",
    "norm_strength": 8,
    "labeled_anomalies": 4,
    "labeled_normals": 3,
    "labeled_normal_ratio": 2.0,
    "unlabeled_ratio": 0.5,
    "flipped_anomalies": 0.5,
    "flipped_normals": 0.01,
    "unseen_types": 2,
}
BESIDE = {
    "norm_strength": {"norm": "ghost"},
    "grad_place": {"grad_mean": 0},
    "baseline": {"norm": None, "batch_size": None},
}


def test_the_cases_cover_every_setting() -> None:
    assert set(OTHER) == set(RunConfig.model_fields)


@pytest.mark.parametrize("name", OTHER)
def test_runs_on_the_same_rows_share_the_projection_of_inputs(name: str) -> None:
    """Runs with equal keys have equal rows and scaling."""
    one = make_config(epochs=1)
    other = one.with_(**BESIDE.get(name, {}), **{name: OTHER[name]})
    same = input_points_key(one, "pca") == input_points_key(other, "pca")
    training = ("lambda_n", "baseline", "norm", "batch_size", "epochs", "learning_rate", "preset", *NORM_SETTINGS)
    assert same is (name in training)
    if same:
        a, b = (result.sample for result in run_many([one, other.with_(epochs=1)], "cpu"))
        for field in ("rows", "role", "minimum", "scale"):
            assert np.array_equal(getattr(a, field), getattr(b, field))


def test_projections_of_another_kind_or_revision_have_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config()
    found = {input_points_key(config, "pca"), input_points_key(config, "umap")}
    found |= {hidden_points_key(run, projector) for run in "ab" for projector in ("pca", "umap")}
    monkeypatch.setattr(keys, "ENGINE_REVISION", 99)
    assert len(found | {input_points_key(config, "pca")}) == 7


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_keys_of_many_runs_are_those_of_each(device: str) -> None:
    configs = [
        make_config(dataset=dataset, baseline=baseline, seed=seed)
        for dataset in ("digits_3", "digits_4")
        for baseline in ("DevNet", "KNN")
        for seed in (0, 1)
    ]
    found = run_keys(configs, device)
    assert found == [run_key(config, device) for config in configs] and len(set(found)) == len(configs)
    assert run_keys([], device) == []


def test_a_table_file_is_identified_once_for_all_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,label\n1,0\n2,0\n3,1\n4,1\n", encoding="utf-8")
    configs = [make_config(dataset=str(path), seed=seed) for seed in range(5)]
    expected = [run_key(config) for config in configs]
    read: list[Path] = []
    fingerprint = uri.file_identity
    monkeypatch.setattr(catalogue, "file_identity", lambda path, schema: read.append(path) or fingerprint(path, schema))
    assert run_keys(configs) == expected and read == [path]


@pytest.mark.parametrize(
    ("values", "changes"),
    [
        ({"labeled_normals": 3, "lambda_n": 0.0}, True),
        ({"labeled_normal_ratio": 1.0, "lambda_n": 0.5}, True),
        ({"labeled_normals": 3, "lambda_n": 1.0}, False),
        ({"labeled_normals": 3, "baseline": "REPEN"}, False),
        ({"lambda_n": 0.0}, False),
    ],
    ids=str,
)
def test_only_runs_whose_known_normal_rows_weigh_more_depend_on_their_revision(
    values: dict[str, Any], changes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(**values)
    before = keys.run_key(config)
    monkeypatch.setattr(keys, "KNOWN_NORMALS_REVISION", 2)
    assert (keys.run_key(config) != before) is changes
