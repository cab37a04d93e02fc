"""Systems of a ranking."""

from __future__ import annotations

import pytest

from anoonly_core.baselines import BASELINES
from anoonly_core.which.systems import DEFAULT_SYSTEMS, SYSTEMS, systems_of


def test_each_system_is_there_in_its_forms() -> None:
    baselines = {system.settings["baseline"] for system in SYSTEMS.values()}
    assert baselines == set(BASELINES)
    assert set(DEFAULT_SYSTEMS) <= set(SYSTEMS)
    assert not {SYSTEMS[name].settings["baseline"] for name in DEFAULT_SYSTEMS} & {
        "XGBOD",
        "XGBoost",
        "CatBoost",
        "ECOD",
        "TabICL",
        "TabPFN",
    }
    assert {system.kind for system in SYSTEMS.values()} == {
        *("anoonly", "baseline", "classifier", "comparator", "unsupervised"),
    }


@pytest.mark.parametrize("name", ["deepsad+anoonly", "DeepSAD + AnoOnly", " DEEPSAD +anoonly"])
def test_case_and_spaces_of_a_name_do_not_matter(name: str) -> None:
    assert systems_of([name, name]) == (SYSTEMS["DeepSAD + AnoOnly"],)
