"""Which column is the label: ranked by name and values, and other columns that may be labels are no features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.data.tables.label_candidates import rank_labels, shown_counts
from anoonly_core.data.tables.parsing import parse_table
from anoonly_core.data.tables.profile import profile_table, suggest_schema
from anoonly_core.data.tables.schema import TableSchema, make_schema
from anoonly_core.data.tables.uri import feature_revision, load_file
from anoonly_core.errors import BadDataFile

ROWS = 200
RANDOM = np.random.default_rng(0)
NUMBERS = pd.DataFrame(RANDOM.normal(size=(ROWS, 3)), columns=["amount", "hour", "age"])
Y = (np.arange(ROWS) % 20 == 0).astype(int)
TYPE = np.where(np.arange(ROWS) % 50 == 0, "DEBIT", "PAYMENT")


def suggested(table: pd.DataFrame) -> TableSchema:
    return suggest_schema(profile_table(table))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "isFraud",
            "is_fraud",
            "Fraud",
            "FraudFound_P",
            "fraud_reported",
            "Betrug",
            "ist_betrug",
            "Betrug?",
            "fraude",
        ),
        *("Class", "class", "Klasse", "classe", "target", "Target", "Zielvariable", "label", "Label", "etiqueta"),
        *(
            "machine_failure",
            "Machine failure",
            "Ausfall",
            "defect",
            "Defekt",
            "is_anomaly",
            "anomaly_label",
            "outlier",
        ),
        *("has_failed", "attack", "outcome", "Ergebnis", "Outcome", "diagnosis", "churn", "Exited", "default payment"),
        *("fraude", "outlier", "isAttack", "Attrition", "hospital_death", "異常", "мошенничество", "ground_truth"),
    ],
)
def test_a_label_is_found_by_its_name_before_a_category(name: str) -> None:
    for words in (("0", "1"), ("nein", "ja"), ("No", "Yes")):
        table = NUMBERS.assign(type=TYPE, has_phone=RANDOM.integers(0, 2, ROWS), **{name: np.array(words)[Y]})
        schema = suggested(table)
        assert (schema.label, schema.anomaly) == (name, (words[1],))


@pytest.mark.parametrize(
    "name", ["type", "kind", "has_phone", "gender", "isolation", "classic", "age_group", "labelled_by", "amount_flag"]
)
def test_a_category_is_no_label(name: str) -> None:
    assert suggested(NUMBERS.assign(**{name: TYPE})).label == ""


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (("isFlaggedFraud", "isFraud"), ("isFraud", "isFlaggedFraud")),
        (("fraud_prediction", "fraud"), ("fraud", "fraud_prediction")),
        (("result", "failure"), ("failure", "result")),
        (("status", "anomaly"), ("anomaly",)),
    ],
)
def test_several_labels_are_ranked_and_the_others_left_out(names: tuple[str, ...], order: tuple[str, ...]) -> None:
    others = {name: np.roll(Y, shift) for shift, name in enumerate(names)}
    table = NUMBERS.assign(**others)
    profile = profile_table(table)
    assert tuple(column.name for column in profile.label_candidates if column.is_plausible) == order
    schema = suggest_schema(profile)
    assert schema.label == order[0] and schema.without == order[1:]
    read = parse_table(table, make_schema({"label": order[0]}), "t")
    assert {*read.preprocessing.features} == {*table.columns} - {*order}
    if order[1:]:
        assert f"{order[1]} may be a label, too, and is left out" in " ".join(read.notes)
        assert feature_revision(read.X, read.revision).endswith(":3")
    kept = parse_table(table, make_schema({"label": order[0], "keep": order[1:]}), "t")
    assert {*kept.preprocessing.features} == {*table.columns} - {order[0]}


def test_a_label_alone_beside_a_possible_one_keeps_a_feature() -> None:
    table = pd.DataFrame({"fraud": Y, "failure": np.roll(Y, 1)})
    assert parse_table(table, make_schema({"label": "fraud"}), "t").preprocessing.features == ("failure",)


@pytest.mark.parametrize("name", ["target", "label", "y"])
def test_a_quantity_to_predict_is_no_label(name: str) -> None:
    assert suggested(NUMBERS.assign(**{name: RANDOM.permutation(ROWS) // 2})).label == ""


def test_candidates_come_with_their_counts() -> None:
    (candidate,) = rank_labels({"isFraud": {"0": 578, "1": 22, "": 3}})
    assert shown_counts(candidate) == "0: 578, 1: 22, blank: 3" and candidate.is_plausible


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("isFraud", "; it may be isFraud (0: 190, 1: 10)."),
        ("Class", "; it may be Class (0: 190, 1: 10)."),
        ("z", "label=…."),
    ],
)
def test_the_command_line_asks_for_the_label_and_names_the_candidates(tmp_path: Path, name: str, hint: str) -> None:
    path = tmp_path / "t.csv"
    NUMBERS.assign(**{name: Y}).to_csv(path, index=False)
    with pytest.raises(BadDataFile) as caught:
        load_file(path, TableSchema())
    assert str(caught.value).endswith(hint)


@pytest.mark.parametrize("blank", ["", "?"])
def test_marked_anomalies_among_blank_rows_are_a_label(blank: str) -> None:
    schema = suggested(NUMBERS.assign(fraud=np.where(Y == 1, "1", blank)))
    assert schema.label == "fraud" and schema.anomaly == ("1",)
