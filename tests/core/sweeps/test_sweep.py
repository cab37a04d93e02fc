"""Sweeps: which runs a grid holds, what its table says, and the questions that come with the product."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from anoonly_core.baselines import BASELINES, PAPER_NORMS
from anoonly_core.config import make_config
from anoonly_core.errors import InvalidConfig
from anoonly_core.metrics.ranking import METRICS
from anoonly_core.results.keys import run_key
from anoonly_core.results.store import RunSummary
from anoonly_core.sweeps.presets import SWEEP_PRESETS
from anoonly_core.sweeps.sweep import AXES, Sweep, make_sweep, sweep_table


def stored(sweep: Sweep, value: float = 0.5) -> dict[str, RunSummary]:
    """A made-up stored run for every run of a sweep; its metrics tell the runs apart."""
    return {
        key: RunSummary(
            key,
            config.model_dump(mode="json"),
            "cpu",
            dict.fromkeys(METRICS, value + number / 1000),
            {"train": 1.0, "score": 0.1},
            {"test": 9},
            0.0,
            False,
            9,
        )
        for number, (key, config) in enumerate(sweep.configs.items())
    }


def test_a_grid_is_the_product_of_its_axes_over_the_seeds() -> None:
    sweep = make_sweep(
        {"dataset": "digits_8", "epochs": 7}, [("lambda_n", [1, "0.01", 0]), ("batch_size", [32, 64])], 4
    )
    assert [tuple(point.values.values()) for point in sweep.points] == [
        (value, size) for value in (1.0, 0.01, 0.0) for size in (32, 64)
    ]
    assert len(sweep.configs) == 24
    first = sweep.points[1]
    assert list(first.configs.values()) == [
        make_config(dataset="digits_8", epochs=7, lambda_n=1, batch_size=64, seed=seed) for seed in range(4)
    ]
    assert all(key == run_key(config) for key, config in sweep.configs.items())


def test_the_seeds_count_up_from_the_first() -> None:
    (point,) = make_sweep({"seed": "7"}, [("lambda_n", [0])], 2).points
    assert [config.seed for config in point.configs.values()] == [7, 8]


def test_what_is_published_can_be_one_of_the_values() -> None:
    sweep = make_sweep({"baseline": "DevNet"}, [("norm", [None, "layer"]), ("lambda_n", [1, 0])], 1)
    norms = [next(iter(point.configs.values())).norm for point in sweep.points]
    assert norms == ["none", "batch", "layer", "layer"]
    assert [point.values["norm"] for point in sweep.points] == ["published", "published", "layer", "layer"]


def test_a_comparator_has_one_point_for_all_values_of_what_it_lacks() -> None:
    sweep = make_sweep({}, [("baseline", ["DevNet", "REPEN"]), ("lambda_n", [1, 0])], 2)
    assert [tuple(point.values.values()) for point in sweep.points] == [
        ("DevNet", 1.0),
        ("DevNet", 0.0),
        ("REPEN", None),
    ]
    assert len(sweep.configs) == 6


def test_points_that_cannot_be_are_left_out_with_their_sentence() -> None:
    sweep = make_sweep({"baseline": "PReNet"}, [("batch_size", [1, 2, 4, 8])], 1)
    assert [point.values["batch_size"] for point in sweep.points] == [4, 8]
    assert [sentence.startswith("batch_size must be 4 or more") for sentence in sweep.left_out] == [True, True]


@pytest.mark.parametrize(
    ("settings", "axes", "seeds", "words"),
    [
        ({}, [("lambda_n", [1, 2])], 1, "lambda_n must be"),
        ({}, [("lambda_n", ["1e-x"])], 1, "lambda_n must be"),
        ({"epochs": "many"}, [("lambda_n", [1])], 1, "epochs must be"),
        ({"color": 1}, [("lambda_n", [1])], 1, "no setting called"),
        ({}, [("dataset", ["digits_3"])], 1, "cannot be varied"),
        ({}, [("seed", [1])], 1, "cannot be varied"),
        ({}, [("lambda_n", [])], 1, "at least one value"),
        ({}, [("lambda_n", [1]), ("lambda_n", [0])], 1, "only once"),
        ({}, [("lambda_n", [1])], 0, "seeds must be"),
        ({}, [("lambda_n", [1])], 1001, "seeds must be"),
        ({}, [("lambda_n", [1])], "3", "seeds must be"),
        ({"baseline": "XGBOD", "epochs": 3}, [("preset", ["paper"])], 1, "XGBOD has no epochs"),
        ({}, [("batch_size", list(range(1, 300))), ("epochs", list(range(1, 100)))], 1, "at most 20000"),
    ],
)
def test_what_cannot_be_swept_is_one_sentence(settings: Any, axes: Any, seeds: Any, words: str) -> None:
    with pytest.raises(InvalidConfig, match=words) as caught:
        make_sweep(settings, axes, seeds)
    assert len(str(caught.value).splitlines()) == 1


def test_equal_sweeps_have_one_text_that_says_all() -> None:
    one = make_sweep({"baseline": "DevNet", "epochs": None}, [("lambda_n", ["1", 1.0, 0])], 3)
    other = make_sweep({"baseline": "DevNet"}, [("lambda_n", [1.0, "-0.0"])], 3)
    assert one.canonical() == other.canonical()
    known = json.loads(one.canonical())
    again = make_sweep(known["settings"], [(axis["name"], axis["values"]) for axis in known["axes"]], known["seeds"])
    assert again == one and again.configs == one.configs


def test_the_table_has_a_row_for_every_run_finished_or_not() -> None:
    sweep = make_sweep({}, [("norm", [None, "layer"]), ("lambda_n", [1, 0])], 3)
    runs = stored(sweep)
    gone, failed = list(runs)[4], list(runs)[5]
    del runs[gone], runs[failed]
    table = sweep_table(sweep, runs, {failed: "It failed."})
    assert len(table) == 12 and list(table["key"]) == list(sweep.configs)
    assert list(table["point"]) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert list(table["norm"][:1]) == ["batch_no_affine"]
    assert table.loc[4, "failure"] == "" and np.isnan(table.loc[4, "aucroc"])
    assert table.loc[5, "failure"] == "It failed." and np.isnan(table.loc[5, "train_seconds"])
    assert table.loc[6, "aucroc"] == 0.506


@pytest.mark.parametrize("name", SWEEP_PRESETS)
@pytest.mark.parametrize("baseline", [name for name in BASELINES if BASELINES[name].has("lambda_n")])
def test_each_question_can_be_asked_of_each_system(name: str, baseline: str) -> None:
    question = SWEEP_PRESETS[name]
    axes = question.axes
    sweep = make_sweep({} if "baseline" in dict(axes) else {"baseline": baseline}, axes, 2)
    wanted = int(np.prod([len(values) for _, values in axes]))
    assert wanted - 4 <= len(sweep.points) <= wanted, "only batches that are too small may be left out"
    assert {axis.name for axis in sweep.axes} <= set(AXES)
    asked = dict(axes)["lambda_n"]
    assert asked[0] == 1 and asked[-1] == 0, "the baseline first, AnoOnly last"
    assert question.title and question.question.endswith("?")


def test_the_questions_are_the_papers_and_further_ones() -> None:
    varied = {name: question.axes[0][0] for name, question in SWEEP_PRESETS.items()}
    assert varied == {
        "fig5": "labeled_ratio",
        "fig6": "normal_ratio",
        "fig7": "lambda_n",
        "fig8": "contamination",
        "fig9": "batch_size",
        "table2": "norm",
        "gradient": "grad_mean",
        "contamination": "contamination",
        "labels": "labeled_anomalies",
        "unlabeled": "unlabeled_ratio",
        "flipped_anomalies": "flipped_anomalies",
        "flipped_normals": "flipped_normals",
        "unseen": "unseen_types",
    }
    assert SWEEP_PRESETS["fig5"].axes[0][1][-1] == 1.0 and SWEEP_PRESETS["fig5"].axes[0][1][0] == 0.01
    assert SWEEP_PRESETS["fig7"].axes[0][1][-2:] == (1e-6, 0.0)
    assert (SWEEP_PRESETS["fig9"].axes[0][1][0], SWEEP_PRESETS["fig9"].axes[0][1][-1]) == (1, 128)
    assert SWEEP_PRESETS["table2"].axes[0][1] == PAPER_NORMS
    assert SWEEP_PRESETS["contamination"].axes[0][1][-1] == 0.8
