"""Result files of WSADBench: lines of ours, lines of theirs, and the means of both."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from anoonly_core.cli.schema import load_schema
from anoonly_core.config import RunConfig, make_config
from anoonly_core.errors import BadDataFile
from anoonly_core.results.summary import RunSummary
from anoonly_core.results.wsadbench import WsadbenchLine, mean_table, read_lines, to_line, write_lines

# In the form of the files that WSADBench writes.
THEIRS = (
    '{"model":"DevNet","dataset":"6_cardio","rla":1.0,"eln":0.0,"ru":1.0,"flip_normal_ratio":0.0,'
    '"flip_abnormal_ratio":0.0,"target_for_unlabeled":"fill_unlabel_0","seed":102,"aucroc":0.9899016742,'
    '"aucpr":0.9362706439,"noise_type":null,"is_cleanlab":"false","fit_time":9.5926368237,'
    '"inference_time":0.0004396439,"n_train":1281,"n_test":550,"n_train_anomalies":123,"n_test_anomalies":53,'
    '"error":"","data_type":"tabular_classical","exp_note":"None"}'
)
FIELDS = list(json.loads(THEIRS))


def summary(config: RunConfig, aucpr: float = 0.75, **counts: int) -> RunSummary:
    return RunSummary(
        key="key",
        config=config.model_dump(),
        device="cpu",
        metrics={"aucroc": 0.9, "aucpr_anomaly": aucpr},
        seconds={"train": 2.0, "score": 0.125},
        counts={"train": 700, "test": 300, "labelled_anomalies": 5, "test_anomalies": 15, **counts},
        created=0.0,
        pinned=False,
        bytes=0,
    )


def check(line: WsadbenchLine) -> dict[str, Any]:
    """Validate a line against the schema and return it as a dict."""
    schema = load_schema("wsadbench")
    values: dict[str, Any] = json.loads(json.dumps(line.model_dump(mode="json")))
    jsonschema.Draft202012Validator({**schema["$defs"]["line"], "$defs": schema["$defs"]}).validate(values)
    return values


def test_a_line_of_theirs_is_read_in_full(tmp_path: Path) -> None:
    path = tmp_path / "DevNet_results.jsonl"
    path.write_text(f"{THEIRS}\n\n")
    (line,) = read_lines(path)
    assert check(line) == json.loads(THEIRS)
    assert isinstance(line.rla, float) and line.n_train == 1281


def test_a_line_of_ours_has_their_fields_in_their_order() -> None:
    line = check(to_line(summary(make_config(dataset="6_cardio", baseline="DevNet", protocol="published", seed=3))))
    assert list(line) == FIELDS
    assert line == {
        **json.loads(THEIRS),
        "rla": 0.1,
        "seed": 3,
        "aucroc": 0.9,
        "aucpr": 0.75,
        "fit_time": 2.0,
        "inference_time": 0.125,
        "n_train": 700,
        "n_test": 300,
        "n_train_anomalies": 5,
        "n_test_anomalies": 15,
    }


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"labeled_anomalies": 5}, {"rla": 5}),
        ({"labeled_ratio": 1}, {"rla": 1.0}),
        ({"labeled_normals": 7}, {"eln": 7}),
        ({"labeled_normal_ratio": 1}, {"eln": 1.0}),
        ({"labeled_normal_ratio": 1, "labeled_normals": 2}, {"eln": 7}),
        ({"unlabeled_ratio": 0.25}, {"ru": 0.25}),
        ({"unlabeled_ratio": 0, "labeled_normals": 7}, {"ru": 0.0, "target_for_unlabeled": "delete_sample"}),
        ({"flipped_normals": 0.01}, {"flip_normal_ratio": 0.01, "noise_type": "label_contamination"}),
        ({"flipped_anomalies": 0.2}, {"flip_abnormal_ratio": 0.2, "noise_type": "label_contamination"}),
        ({"lambda_n": 0}, {"model": "DeepSAD+AnoOnly"}),
        ({"lambda_n": 0.01}, {"model": "DeepSAD+lambda_n=0.01"}),
        ({"baseline": "XGBoost"}, {"model": "XGBoost"}),
        ({"baseline": "XGBoost", "preset": "tuned"}, {"model": "XGBoost+tuned"}),
        ({"dataset": "CIFAR10_0"}, {"dataset": "CIFAR10_0", "data_type": "tabular_CV_by_ResNet18"}),
        ({"dataset": "digits_3"}, {"dataset": "digits_3", "data_type": "tabular_classical"}),
        ({"protocol": "leak_free"}, {"exp_note": "protocol=leak_free"}),
        ({"contamination": 0, "epochs": 7}, {"exp_note": "epochs=7, contamination=0.0"}),
        ({"norm": "layer"}, {"exp_note": "norm=layer"}),
    ],
    ids=str,
)
def test_settings_go_into_their_fields(settings: dict[str, Any], fields: dict[str, Any]) -> None:
    config = make_config(**{"dataset": "6_cardio", "protocol": "published", **settings})
    line = check(to_line(summary(config, known_normal=7)))
    assert {name: line[name] for name in fields} == fields
    assert all(type(line[name]) is type(value) for name, value in fields.items()), "1 is a number and 1.0 a share"
    assert "exp_note" in fields or line["exp_note"] == "None"


def test_a_written_line_replaces_the_same_result_and_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(THEIRS.replace('"exp_note"', '"kept": 3, "exp_note"'))
    ours = [to_line(summary(make_config(dataset="6_cardio", seed=seed))) for seed in (0, 1)]
    write_lines(path, ours)
    write_lines(path, [to_line(summary(make_config(dataset="6_cardio", seed=1), aucpr=0.25))])
    lines = read_lines(path)
    assert [line.aucpr for line in lines] == [0.9362706439, 0.75, 0.25]
    assert json.loads(path.read_text().splitlines()[0])["kept"] == 3
    assert len({line.identity for line in lines}) == 3


def test_one_label_and_all_labels_are_two_results(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    for settings in ({"labeled_anomalies": 1}, {"labeled_ratio": 1.0}):
        write_lines(path, [to_line(summary(make_config(dataset="6_cardio", **settings)))])
    assert [repr(line.rla) for line in read_lines(path)] == ["1", "1.0"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text[:-1], "line 2 is no result of WSADBench."),
        (lambda text: "[]", "line 2 is no result of WSADBench."),
        (lambda text: text.replace('"seed":102', '"seed":"x"'), r"line 2 is no result of WSADBench \(field seed\)\."),
        (lambda text: text.replace("0.9899016742", "1.5"), r"\(field aucroc\)"),
        (lambda text: text.replace('"model":"DevNet",', ""), r"\(field model\)"),
        (lambda text: text.replace("0.9899016742", "NaN"), r"\(field aucroc\)"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, change: Callable[[str], str], words: str) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(f"{THEIRS}\n{change(THEIRS)}\n")
    with pytest.raises(BadDataFile, match=words):
        read_lines(path)
    with pytest.raises(BadDataFile):
        write_lines(path, [])


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "results.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadDataFile, match=r"results.jsonl (cannot be read|is no text)") as caught:
        read_lines(path)
    assert str(caught.value).isprintable()


def line_of(model: str, dataset: str, seed: int, aucpr: float | None, **fields: Any) -> WsadbenchLine:
    return WsadbenchLine(model=model, dataset=dataset, seed=seed, aucpr=aucpr, aucroc=aucpr, **{"rla": 5, **fields})


def test_means_are_over_sets_of_means_over_seeds_under_equal_conditions() -> None:
    lines = [
        *(line_of("A", "one", seed, value) for seed, value in enumerate((0.2, 0.4))),
        line_of("A", "two", 0, 0.9),
        line_of("B", "one", 0, 0.5),
        line_of("B", "two", 0, 0.5),
        line_of("B", "three", 0, 0.2),
        line_of("C", "one", 0, None, error="out of memory"),
        line_of("A", "one", 0, 0.1, rla=5.0),
    ]
    table = mean_table(lines)
    assert table[["rla", "model", "datasets", "runs"]].to_numpy().tolist() == [
        *([5, "A", 2, 3], [5, "B", 3, 3]),
        [5.0, "A", 1, 1],
    ]
    assert [type(value) for value in table["rla"]] == [int, int, float]
    assert table["aucpr"].tolist() == pytest.approx([0.6, 0.4, 0.1])
    assert table["rank"].tolist() == [1.5, 1.5, 1.0]
    assert mean_table([line_of("A", "one", 0, 0.1), line_of("B", "two", 0, 0.1)])["rank"].map(math.isnan).all()
    assert mean_table([]).empty
