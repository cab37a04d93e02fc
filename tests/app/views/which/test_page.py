"""The page Which method? as Streamlit runs it, without a browser."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from anoonly_core.cli import main as cli
from anoonly_core.cli import which as which_cli
from anoonly_core.which.plan import COUNTS, WhichPlan
from app.bundled_results import default_ranking
from app.server.devices import Devices
from app.server.shipped_runs import shipped_runs
from app.server.sweep_queue import SweepQueue
from app.views.which.url import DEFAULT_CHOICE
from tests.app.conftest import opened


@pytest.fixture
def started(server: None, monkeypatch: pytest.MonkeyPatch) -> list[WhichPlan]:
    """Return the rankings that the page starts; none of them trains or is timed."""
    plans: list[WhichPlan] = []
    monkeypatch.setattr(Devices, "gpus", lambda machine, wait=False: {})
    monkeypatch.setattr(SweepQueue, "estimate", lambda queue, plan, missing: 0.5 * len(missing))
    monkeypatch.setattr(SweepQueue, "start", lambda queue, plan, cluster="": plans.append(plan))
    return plans


def test_it_opens_with_the_ranking_that_ships(started: list[WhichPlan]) -> None:
    page = opened("which")
    plan = default_ranking()
    assert shipped_runs(plan.configs).keys() == plan.configs.keys(), "run `python -m app.bundled_results --only which`"
    assert "With 10 labeled anomalies" in page.markdown[0].value and "12 systems" in page.markdown[0].value
    (progress,) = page.get("progress")
    assert progress.proto.text == f"All {len(plan.configs)} runs are finished: they ship with this app"
    assert page.button(key="which_start").disabled
    assert page.selectbox(key="which_system").options == list(page.dataframe[0].value["system"])


def test_a_link_starts_the_same_ranking_and_its_command_too(started: list[WhichPlan]) -> None:
    link: dict[str, Any] = {
        "dataset": "digits_8",
        "systems": ["KNN", "DeepSAD + AnoOnly"],
        "labeled_anomalies": "7",
        "seeds": "2",
        "seed": "3",
        "contamination": "0.05",
    }
    page = opened("which", **link)
    assert "No system is trained yet" in page.markdown[0].value
    (progress,) = page.get("progress")
    runs = 2 * 2 * len({*COUNTS, 7})  # of two systems and two seeds
    first = f"{runs} of {runs} runs to train: 4 to rank and then {runs - 4} for the curves"
    assert progress.proto.text == f"{first}, about {runs / 2:.0f} s on this machine"
    page.button(key="which_start").click().run()
    (plan,) = started
    assert {system.name for system in plan.systems} == set(link["systems"])
    assert (plan.dataset, plan.labels, plan.seeds) == ("digits_8", 7, (3, 4))
    assert {config.contamination for config in plan.configs.values()} == {0.05}
    again = opened("which", **dict(page.query_params.items()))
    again.button(key="which_start").click().run()
    assert started[1].configs.keys() == plan.configs.keys()
    words = page.code[0].value.split(maxsplit=3)[3]
    options = cli._parser().parse_args(shlex.split(words))
    assert which_cli._plan(options).configs.keys() == plan.configs.keys()


def test_wrong_links_and_no_system_are_sentences(started: list[WhichPlan]) -> None:
    page = opened("which", systems="Oracle", labeled_anomalies="none", dataset="nowhere")
    said = [notice.value.replace("\\", "") for notice in page.warning]
    assert [any(f"{name} must be" in words for words in said) for name in ("systems", "labeled_anomalies", "dataset")]
    assert len(said) == 3 and page.selectbox(key="labeled_anomalies").value == DEFAULT_CHOICE.labels
    page.multiselect(key="systems").set_value([]).run()
    assert not page.exception and "at least one system" in page.error[0].value
