"""Missing numbers get the median of the training rows on every path, so that no test row reaches the training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.catalogue import load_cached, resolve
from anoonly_core.data.dataset import Dataset, Provenance, make_dataset
from anoonly_core.data.split import Split, make_split, medians, min_max
from anoonly_core.data.tables.readers import read_table
from anoonly_core.data.tables.schema import TableSchema
from anoonly_core.data.tables.uri import parse_file, read_uri
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.scoring import detector_for_run, detector_result, score_table
from anoonly_core.errors import BadDataFile
from anoonly_core.labeling.run import rank_with_labels, rank_without_labels
from anoonly_core.labeling.table import labeled_table
from anoonly_core.microscope.run import observe
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.purify.config import make_purify_config
from anoonly_core.purify.run import compute_pool_scores
from anoonly_core.replay.run import record
from anoonly_core.results.result import from_bytes, to_bytes
from anoonly_core.runs.run import run
from anoonly_core.training.gpu_rows import GpuRows
from anoonly_core.zero_shot.class_table import class_table_identity, load_class_table
from anoonly_core.zero_shot.config import make_zero_shot_config
from anoonly_core.zero_shot.run import ZeroShotStack
from tests.core.data.uploaded import upload

ROWS = 120
NAN = np.nan
LACKING = np.arange(ROWS) % 4 == 1  # rows without a value in column b


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FEAWAD, "pretraining_epochs", 1)
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))


def made_table(offset: float = 0.0) -> pd.DataFrame:
    """Make a table with missing numbers; the values of column a are in the order of the rows, and so is the split."""
    drawn = np.random.default_rng(0)
    anomalous = np.arange(ROWS) % 6 == 0
    b = offset + drawn.normal(size=ROWS) + 4 * anomalous
    return pd.DataFrame(
        {
            "a": np.linspace(1, 2, ROWS),
            "b": np.where(LACKING, NAN, b),
            "kind": np.where(np.arange(ROWS) % 10 == 3, "", drawn.choice(["red", "blue"], ROWS)),
            "label": anomalous.astype(int),
        }
    )


def save(folder: Path, table: pd.DataFrame, name: str) -> str:
    table.to_csv(folder / name, index=False)
    return f"{folder / name}?categories=one_hot&missing=impute"


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., tuple[RunConfig, RunConfig]]:
    """Return a function that makes the same run on two tables, which differ in b of the test rows only."""

    def make(offset: float = 0.0, **settings: Any) -> tuple[RunConfig, RunConfig]:
        settings = {"epochs": 2, "labeled_ratio": 0.3, **settings}
        table = made_table(offset)
        config = make_config(dataset=save(tmp_path, table, "one.csv"), **settings)
        test = make_split(load_cached(config.dataset), config).test
        moved = table.copy()
        moved.loc[test, "b"] += 50  # a missing value stays missing
        other = config.with_(dataset=save(tmp_path, moved, "other.csv"))
        whole = [np.nanmedian(frame["b"]) for frame in (table, moved)]
        assert abs(whole[1] - whole[0]) > 0.3, "the median of all rows tells the tables apart"
        return config, other

    return make


def lacking_test_rows(config: RunConfig) -> np.ndarray:
    """Return the test rows without a value in column b, whose features are the same in both tables."""
    split = make_split(load_cached(config.dataset), config)
    return split.test[LACKING[split.test]]


def scores_of_run(config: RunConfig) -> np.ndarray:
    result = run(config, "cpu")
    return result.scores[np.isin(result.test_rows, lacking_test_rows(config))]


def detector_scores(config: RunConfig) -> np.ndarray:
    return detector_result(config).scores[lacking_test_rows(config)]


def file_scores(config: RunConfig) -> np.ndarray:
    table = read_table(Path(config.dataset.partition("?")[0])).iloc[lacking_test_rows(config)]
    return score_table(detector_for_run(config), table.reset_index(drop=True), "rows").scores


def pool_scores(config: RunConfig) -> np.ndarray:
    purify = make_purify_config(config, parts=2, remove=0.1)
    return compute_pool_scores([purify])[0].score


def replay_scores(config: RunConfig) -> np.ndarray:
    (replay,) = record([config], "pca").runs
    return replay.scores[:, np.isin(replay.rows, lacking_test_rows(config))]


def observed(config: RunConfig) -> np.ndarray:
    return np.concatenate([values.ravel() for norm in observe(config) for values in (norm.lengths, norm.mean)])


def rows_on_a_gpu(config: RunConfig) -> np.ndarray:
    dataset = load_cached(config.dataset)
    split = make_split(dataset, config)
    rows = GpuRows(dataset, [split], torch.device("cpu"))
    out = torch.empty(len(split.train), dataset.columns)
    rows.scale_into(out, split, split.train)
    positions = np.concatenate([split.train, lacking_test_rows(config)])
    mapped = rows.map_rows(lambda x: x, [split, split], [positions, split.train])
    np.testing.assert_array_equal(out.numpy(), split.scaled(dataset, split.train))
    np.testing.assert_array_equal(mapped[0].numpy(), split.scaled(dataset, positions))
    return mapped.numpy()


def scaling(config: RunConfig) -> np.ndarray:
    split = make_split(load_cached(config.dataset), config)
    assert split.fill is not None
    return np.concatenate([split.fill, split.minimum, split.scale])


PATHS: dict[str, tuple[Callable[[RunConfig], np.ndarray], dict[str, Any]]] = {
    "split": (scaling, {}),
    "split, float64": (scaling, {"offset": 1.7e9}),
    "run": (scores_of_run, {}),
    "run, float64": (scores_of_run, {"offset": 1.7e9}),
    "run of DevNet": (scores_of_run, {"baseline": "DevNet"}),
    "run of FEAWAD": (scores_of_run, {"baseline": "FEAWAD"}),
    "run of PReNet": (scores_of_run, {"baseline": "PReNet"}),
    "run of REPEN": (scores_of_run, {"baseline": "REPEN", "lambda_n": None}),
    "detector": (detector_scores, {}),
    "detector, float64": (detector_scores, {"offset": 1.7e9}),
    "rows of a file": (file_scores, {}),
    "rows of a file, float64": (file_scores, {"offset": 1.7e9}),
    "cleaning": (pool_scores, {}),
    "replay": (replay_scores, {}),
    "microscope": (observed, {}),
    "GPU": (rows_on_a_gpu, {}),
    "GPU, float64": (rows_on_a_gpu, {"offset": 1.7e9}),
}


@pytest.mark.parametrize("path", PATHS)
def test_the_values_of_test_rows_change_nothing_that_is_trained(path: str, pair: Any) -> None:
    values, settings = PATHS[path]
    one, other = (values(config) for config in pair(**settings))
    assert len(one) and np.isfinite(one).all()
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("offset", [0, 1.7e9])
@pytest.mark.parametrize("protocol", ["leak_free", "published"])
@pytest.mark.parametrize("seed", range(3))
def test_the_median_is_that_of_the_distinct_training_rows(
    seed: int, protocol: str, offset: float, tmp_path: Path
) -> None:
    config = make_config(dataset=save(tmp_path, made_table(offset), "t.csv"), seed=seed, protocol=protocol)
    dataset = load_cached(config.dataset)
    split = make_split(dataset, config)
    assert split.fill is not None and split.fill.dtype == dataset.X.dtype
    expected = np.nanmedian(made_table(offset)["b"].to_numpy()[np.unique(split.train)])
    assert split.fill[1] - offset == pytest.approx(expected - offset, abs=1e-5)
    filled = split.filled(dataset, np.arange(ROWS))
    assert (filled[LACKING, 1] == split.fill[1]).all()
    np.testing.assert_array_equal(filled[~LACKING], dataset.X[~LACKING])
    assert np.isnan(dataset.X[LACKING, 1]).all(), "the data set is unchanged"


def test_a_detector_keeps_the_medians_of_its_training_rows(tmp_path: Path) -> None:
    config = make_config(dataset=save(tmp_path, made_table(), "t.csv"), epochs=1)
    detector = detector_for_run(config)
    split = make_split(load_cached(config.dataset), config)
    assert split.fill is not None and detector.preparation_ is not None
    fills = {column.name: column.fill for column in detector.preparation_.columns}
    assert fills == {"a": float(split.fill[0]), "b": float(split.fill[1]), "kind": None}
    detector.save(tmp_path / "d.safetensors")
    loaded, table = AnoOnlyDetector.load(tmp_path / "d.safetensors"), read_table(tmp_path / "t.csv")
    whole = score_table(loaded, table, "t").scores
    np.testing.assert_array_equal(whole, detector_result(config).scores)
    for row in (1, 3, 13, 60):  # without b, without kind, without both, with both
        alone = score_table(loaded, table.iloc[[row]].reset_index(drop=True), "t")
        assert alone.scores[0] == whole[row]


def test_a_detector_saved_with_other_medians_scores_with_those(tmp_path: Path) -> None:
    """Earlier versions saved the medians of the whole table."""
    detector = detector_for_run(make_config(dataset=save(tmp_path, made_table(), "t.csv"), epochs=1))
    assert detector.preparation_ is not None
    detector.preparation_ = detector.preparation_.with_fill(np.array([1.5, 7.25, 0, 0]))
    detector.save(tmp_path / "d.safetensors")
    loaded = AnoOnlyDetector.load(tmp_path / "d.safetensors")
    rows = pd.DataFrame({"a": ["1.5", "1.5"], "b": ["", "7.25"], "kind": ["red", "red"]})
    scores = score_table(loaded, rows, "rows").scores
    assert scores[0] == scores[1]


def test_labels_by_hand_train_on_all_rows_and_take_their_medians() -> None:
    table = upload(made_table().drop(columns="label"), TableSchema(label="", categories="one_hot", missing="impute"))
    _, split = labeled_table(table.name, [0])
    assert split.fill is not None
    assert split.fill[1] == np.float32(np.nanmedian(made_table()["b"]))
    config = make_config(dataset=table.name, epochs=1)
    for scorer in ("isolation_forest", "local_outlier_factor", "svdd", "autoencoder"):
        ranking = rank_without_labels(config, scorer)
        assert np.isfinite(ranking.scores).all() and np.isfinite(ranking.hidden).all()
    ranking = rank_with_labels(config, [0, 6])
    assert np.isfinite(ranking.scores).all() and np.isfinite(ranking.hidden).all()


@pytest.mark.parametrize("offset", [0, 1.7e9])
def test_zero_shot_takes_the_medians_of_the_classes_it_trains_on(offset: float, tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    kinds = np.repeat(list("pqrst"), 60)
    table = pd.DataFrame({"x": drawn.normal(size=300), "y": drawn.normal(size=300) + offset, "class": kinds})
    table.loc[np.arange(300) % 4 == 0, "y"] = NAN
    moved = table.assign(y=np.where(kinds >= "s", table["y"] + 50, table["y"]))
    config: dict[str, Any] = {"held_out": ("s", "t"), "meta": ("p", "q", "r"), "column": "class", "rows": 40}
    gathered, fills = [], []
    for name, frame in (("one.csv", table), ("other.csv", moved)):
        frame.to_csv(tmp_path / name, index=False)
        uri = f"{tmp_path / name}?label=class&missing=impute"
        stack = ZeroShotStack.of(load_class_table(uri, "class"), [make_zero_shot_config(table=uri, **config)])
        assert stack.fill is not None
        gathered.append(stack.gather([np.flatnonzero((kinds < "s") | table["y"].isna())]).numpy())
        fills.append(stack.fill.numpy())
        assert class_table_identity(uri, "class").endswith(":train-medians")
    np.testing.assert_array_equal(*gathered)
    np.testing.assert_array_equal(*fills)
    assert fills[0][0, 1] - offset == pytest.approx(np.nanmedian(table["y"][kinds < "s"]) - offset, abs=1e-5)


# Identities, stored results and checks


@pytest.mark.parametrize(
    ("change", "query", "is_new"),
    [
        ({}, "categories=one_hot&missing=impute", True),
        ({}, "categories=leave_out&missing=impute", True),
        ({"kind": 1}, "missing=impute", True),
        ({}, "categories=one_hot&missing=drop", False),
        ({}, "categories=one_hot&missing=impute&without=b", False),  # words only: a missing word is no word
        ({"b": 2.0}, "categories=one_hot&missing=impute", False),
        ({"b": 2.0, "kind": 1}, "", False),
        ({"kind": 1}, "without=b", False),
    ],
)
def test_the_identity_changes_for_tables_with_missing_numbers_only(
    change: dict[str, Any], query: str, is_new: bool, tmp_path: Path
) -> None:
    made_table().assign(**change).to_csv(tmp_path / "t.csv", index=False)
    entry = resolve(f"{tmp_path / 't.csv'}{'?' if query else ''}{query}")
    assert (":train-medians" in entry.identity) is is_new
    assert entry.load().has_missing is is_new


def test_an_upload_is_stored_with_its_missing_numbers() -> None:
    """Its identity is that of its rows, so a table that was read with other medians has another identity."""
    schema = TableSchema(categories="one_hot", missing="impute")
    table = upload(made_table(), schema)
    filled = upload(made_table().assign(b=lambda frame: frame["b"].fillna(frame["b"].median())), schema)
    assert resolve(table.name).load().has_missing and not resolve(filled.name).load().has_missing
    assert resolve(table.name).identity != resolve(filled.name).identity
    assert table.counts is not None and table.counts["copies"] == 0


def test_a_result_keeps_the_medians_for_its_map_of_inputs(tmp_path: Path) -> None:
    config = make_config(dataset=save(tmp_path, made_table(), "t.csv"), epochs=1)
    result = from_bytes(to_bytes(run(config, "cpu")))
    split = make_split(load_cached(config.dataset), config)
    np.testing.assert_array_equal(result.sample.fill, split.fill)
    whole = from_bytes(to_bytes(run(make_config(dataset="breast_cancer", epochs=1), "cpu")))
    assert whole.sample.fill is None


@pytest.mark.parametrize(
    ("column", "rows", "expected"),
    [
        ([1, 2, 30, 4], [0, 1, 2], 2),
        ([1, 2, 30, 4], [0, 1, 2, 3], 3),
        ([1, NAN, 30, 4], [0, 1, 2, 3], 4),
        ([1, 2, 30, 4], [0, 1, 2, 2, 2, 2], 2),  # a repeated row counts once
        ([NAN, NAN, 30, 4], [0, 1], 0),
        ([-5, NAN, -7, NAN], [3, 2, 1, 0], -6),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_medians(column: list[float], rows: list[int], expected: float, dtype: type) -> None:
    X = np.array([column, [0, 1, 2, 3]], dtype=dtype).T
    found = medians(X, np.array(rows))
    assert found.dtype == dtype and found[0] == expected


def test_a_column_without_a_value_in_training_is_about_zero_everywhere() -> None:
    X = np.array([[NAN, 1], [NAN, 2], [1e30, 3], [-4, NAN]], dtype=np.float32)
    rows = np.array([0, 1])
    split = Split(rows, np.array([True, False]), rows, *min_max(X, rows), {}, medians(X, rows))
    scaled = split.scaled(made_dataset(X), np.arange(4))
    assert np.isfinite(split.scale).all() and (abs(scaled[:, 0]) < 1e-6).all()
    assert scaled[:, 1].tolist() == [0, 1, 2, 0.5]


def made_dataset(X: np.ndarray) -> Dataset:
    return make_dataset("made", X, np.array([0, 1, 0, 1]), Provenance("made here", "none"), may_be_missing=True)


def test_rows_that_lack_the_same_values_are_copies() -> None:
    X = np.array([[NAN, 1], [0, 1], [NAN, 1], [-0.0, 1]])
    groups = made_dataset(X).identical
    assert groups[0] == groups[2] != groups[1] == groups[3]


@pytest.mark.parametrize("value", [np.inf, -np.inf, 2e38, -2e38])
def test_infinite_values_are_refused_beside_missing_ones(value: float) -> None:
    with pytest.raises(BadDataFile, match="infinite"):
        made_dataset(np.array([[NAN, 1], [0, value], [2, 1], [3, 1]]))


@pytest.mark.parametrize("name", ["digits_3", "breast_cancer"])
def test_nothing_is_replaced_where_nothing_is_missing(name: str) -> None:
    dataset = load_cached(name)
    assert not dataset.has_missing and make_split(dataset, make_config(dataset=name)).fill is None
    with pytest.raises(BadDataFile, match="missing"):
        make_dataset("made", np.where(dataset.X == 0, NAN, dataset.X), dataset.y, dataset.provenance)


def test_the_table_of_a_script_is_filled_with_the_medians_of_its_detector(tmp_path: Path) -> None:
    parsed = read_uri(save(tmp_path, made_table(), "t.csv"))
    X, kept = parsed.preprocessing.apply(read_table(tmp_path / "t.csv"), "t.csv")
    assert kept.all()
    np.testing.assert_array_equal(X.astype(parsed.X.dtype), parsed.filled())
    assert parse_file(tmp_path / "t.csv", TableSchema(missing="drop", categories="one_hot")).rows_in_file == ROWS
