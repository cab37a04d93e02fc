"""The Sweep page as Streamlit runs it, without a browser: what its controls and its link ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from anoonly_core.config import make_config
from anoonly_core.snippets import sweep_command
from anoonly_core.sweeps.presets import SWEEP_PRESETS
from anoonly_core.sweeps.sweep import Sweep, make_sweep
from app.server import jobs as jobs_module
from app.server import sweep_queue
from app.server.devices import Devices
from app.server.shipped_runs import shipped_runs
from app.server.sweep_queue import SweepQueue, SweepView, _Entry
from app.views.sweep import controls as sweep_controls
from app.views.sweep import page as sweep_page
from tests.app.conftest import MakeJobs

MAIN = Path(__file__).parents[4] / "app" / "script.py"
Open = Callable[..., AppTest]


class Silent(SweepQueue):
    """Sweeps that note what is started, and measure nothing."""

    started: list[tuple[Sweep, str]]

    def start(self, sweep: Sweep, cluster: str = "") -> None:
        self.started.append((sweep, cluster))
        self._list(sweep, _Entry(sweep, cluster))

    def estimate(self, sweep: Sweep, missing: Any) -> float:
        return 100.0


@pytest.fixture
def sweeps(make_jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch) -> Silent:
    monkeypatch.setattr("app.server.jobs.WorkerPool", lambda *arguments, **named: None)
    monkeypatch.setattr(Devices, "gpus", lambda machine, wait=False: {})
    jobs = jobs_module.Jobs()
    made = Silent(jobs)
    made.started = []
    monkeypatch.setattr(jobs_module, "_jobs", lambda: jobs)
    monkeypatch.setattr(sweep_page, "server_sweeps", lambda: made)
    monkeypatch.setattr(sweep_queue, "shipped_runs", lambda keys: {})
    return made


@pytest.fixture
def open_page(sweeps: Silent, cache: Path) -> Open:
    def opened(**parameters: Any) -> AppTest:
        page = AppTest.from_file(str(MAIN), default_timeout=30)
        page._page_hash = calc_hash("sweep")
        for name, value in parameters.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception
        return page

    return opened


def asked(page: AppTest, sweeps: Silent) -> Sweep:
    """The sweep that Start starts."""
    page.button(key="sweep_start").click().run()
    assert not page.exception
    return sweeps.started[-1][0]


def earlier_sweeps(page: AppTest) -> list[Any]:
    """The buttons that open the earlier sweeps, the latest first."""
    return [button for button in page.button if button.key.startswith("open sweep")]


def axes(sweep: Sweep) -> dict[str, tuple[Any, ...]]:
    return {axis.name: axis.values for axis in sweep.axes}


def test_it_opens_with_the_finished_figure_that_ships(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_queue, "shipped_runs", shipped_runs)
    page = open_page()
    assert "AnoOnly" in page.markdown[0].value and "No run of this sweep" not in page.markdown[0].value
    assert page.button(key="sweep_start").label == "Finished" and page.button(key="sweep_start").disabled
    (progress,) = page.get("progress")
    assert progress.proto.text == "All 80 runs are finished: they ship with this app"


def test_a_running_sweep_is_not_timed_again(open_page: Open, sweeps: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "view", lambda sweep: SweepView("running", {}, {}, 120.0, ""))
    monkeypatch.setattr(sweeps, "estimate", lambda sweep, missing: pytest.fail("the runs are timed"))
    (progress,) = open_page().get("progress")
    assert progress.proto.text == "0 of 80 runs, about 2 min left"


def test_it_begins_with_the_papers_first_question(open_page: Open, sweeps: Silent) -> None:
    page = open_page()
    assert "No run of this sweep is trained yet" in page.markdown[0].value
    sweep = asked(page, sweeps)
    assert list(axes(sweep).items()) == [(name, tuple(values)) for name, values in SWEEP_PRESETS["fig5"].axes]
    assert sweep.settings["dataset"] == "digits_3" and sweep.seeds == 5


@pytest.mark.parametrize("name", SWEEP_PRESETS)
def test_each_question_sets_the_controls(open_page: Open, sweeps: Silent, name: str) -> None:
    page = open_page()
    page.selectbox(key="question").set_value(name).run()
    found = axes(asked(page, sweeps))
    for setting, values in SWEEP_PRESETS[name].axes:
        assert set(found[setting]) == set(values)


def test_a_link_asks_for_the_same_again(open_page: Open, sweeps: Silent) -> None:
    link = {
        "question": "own",
        "vary": "contamination",
        "values_contamination": ["0.07", "natural"],
        "also": "norm",
        "values_norm": ["published", "layer"],
        "both": "false",
        "sweep_seeds": "3",
        "baseline": "DevNet",
        "lambda_n": "0.003",
        "dataset": "digits_8",
    }
    page = open_page(**link)
    sweep = asked(page, sweeps)
    assert axes(sweep) == {"contamination": ("natural", 0.07), "norm": (None, "layer")}
    assert sweep.seeds == 3
    config = next(iter(sweep.configs.values()))
    assert config == make_config(dataset="digits_8", baseline="DevNet", lambda_n=0.003)
    again = open_page(**dict(page.query_params.items()))
    assert asked(again, sweeps) == sweep


@pytest.mark.parametrize(
    "parameters",
    [
        {"question": "fig99", "vary": "color", "sweep_seeds": "many", "metric": "beauty", "both": "perhaps"},
        {"baseline": "Nobody", "epochs": "-1"},
        {"values_labeled_ratio": ["much", "0.5"]},
        {"vary": "lambda_n", "also": "lambda_n"},
    ],
)
def test_a_broken_link_opens_a_sound_page(open_page: Open, parameters: dict[str, Any]) -> None:
    page = open_page(**parameters)
    said = [notice.value for notice in (*page.warning, *page.error)]
    assert all("Traceback" not in words and len(words.splitlines()) == 1 for words in said)
    assert page.selectbox(key="question").value in SWEEP_PRESETS


def test_an_earlier_sweep_sets_the_controls(open_page: Open, sweeps: Silent) -> None:
    earlier = make_sweep(
        {"dataset": "digits_8", "epochs": 20},
        [("batch_size", [32, 64]), ("norm", [None, "layer"]), ("lambda_n", [1, 0])],
        7,
    )
    sweeps._list(earlier, _Entry(earlier, ""))
    page = open_page()
    latest = earlier_sweeps(page)[0]
    assert latest.label.replace("\\", "") == "digits_8: batch size (2) × norm (2) × λₙ (2), 7 seeds"
    latest.click().run()
    found = asked(page, sweeps)
    assert found.configs.keys() == earlier.configs.keys()


def test_an_earlier_sweep_can_be_removed_and_is_then_a_sentence_elsewhere(open_page: Open, sweeps: Silent) -> None:
    for key in sweeps.jobs.store.sweep_keys():
        sweeps.remove_previous(key)
    for epochs in (20, 30):
        earlier = make_sweep({"epochs": epochs}, [("lambda_n", [1, 0])], 1)
        sweeps._list(earlier, _Entry(earlier, ""))
    mine, theirs = open_page(), open_page()
    removal, *_ = (button for button in mine.button if button.key.startswith("remove "))
    removal.click().run()
    assert len(earlier_sweeps(mine)) == 1
    earlier_sweeps(theirs)[1].click().run()
    assert not theirs.exception and asked(theirs, sweeps).settings["epochs"] == 20
    (drawn,) = earlier_sweeps(mine)
    sweeps.remove_previous(drawn.key.removeprefix("open "))
    drawn.click().run()
    assert drawn.key not in [button.key for button in earlier_sweeps(mine)]


def test_no_values_is_a_sentence(open_page: Open) -> None:
    page = open_page()
    page.multiselect(key="values_labeled_ratio").set_value([]).run()
    assert not page.exception
    assert "at least one value" in page.error[0].value


def test_the_command_is_that_of_the_sweep(open_page: Open, sweeps: Silent) -> None:
    from anoonly_core.cli import main as cli
    from anoonly_core.cli import sweep as sweep_cli

    page = open_page(question="table2", baseline="DevNet")
    command = next(code.value for code in page.code)
    sweep = asked(page, sweeps)
    assert command == sweep_command(sweep)
    options = cli._parser().parse_args(command.split()[3:])
    assert sweep_cli.parse_sweep(options).configs.keys() == sweep.configs.keys()


@pytest.mark.parametrize(("gpu", "words"), [("", "this machine"), ("NVIDIA _Paper", "machine's NVIDIA \\_Paper")])
def test_it_says_what_will_train(open_page: Open, monkeypatch: pytest.MonkeyPatch, gpu: str, words: str) -> None:
    monkeypatch.setattr(Devices, "gpus", lambda machine, wait=False: {"0": gpu} if gpu else {})
    (progress,) = open_page().get("progress")
    assert "about 2 min on this machine" in progress.proto.text and words in progress.proto.text


@pytest.mark.parametrize(
    ("listed", "offered"),
    [
        ("", []),
        (" , ,", []),
        ("tcp://ours:8786", ["tcp://ours:8786"]),
        (" tcp://a:1 ,tcp://b:2,", ["tcp://a:1", "tcp://b:2"]),
        ("tcp://a:1,tcp://a:1", ["tcp://a:1"]),
    ],
)
def test_a_visitor_chooses_among_the_listed_clusters_and_types_none(
    open_page: Open, sweeps: Silent, monkeypatch: pytest.MonkeyPatch, listed: str, offered: list[str]
) -> None:
    monkeypatch.setenv("ANOONLY_CLUSTERS", listed)
    page = open_page()
    assert not page.text_input
    boxes = [box for box in page.selectbox if box.key == "cluster"]
    assert [box.options for box in boxes] == ([["this machine", *offered]] if offered else [])
    if offered:
        boxes[0].set_value(offered[-1]).run()
    asked(page, sweeps)
    assert sweeps.started[-1][1] == (offered[-1] if offered else "")


@pytest.mark.parametrize(
    "sent", ["tcp://theirs:1", "tcp://ours:8786 ", "", "TCP://OURS:8786", "tcp://ours:8786,tcp://b"]
)
def test_a_browser_that_sends_another_address_gets_this_machine(monkeypatch: pytest.MonkeyPatch, sent: str) -> None:
    """Streamlit accepts any text as the value of a select box."""
    monkeypatch.setenv("ANOONLY_CLUSTERS", "tcp://ours:8786")
    monkeypatch.setattr(sweep_controls.st, "selectbox", lambda *_, **__: sent)
    assert sweep_controls._draw_cluster() == ""


def test_what_a_link_says_wrongly_is_left_at_the_default_and_said_until_the_sweep_is_another(open_page: Open) -> None:
    page = open_page(
        question="fig99", metric="luck", values_epochs=["5", "many", "20"], vary="epochs", norm="x", zzz="1"
    )
    said = [notice.value.replace("\\", "") for notice in page.warning]
    assert len(said) == 5, said
    for words in (
        "question must be one of",
        "metric must be one of",
        "values of epochs must be",
        "norm must be",
        "'zzz'",
    ):
        assert sum(words in sentence for sentence in said) == 1, words
    assert page.multiselect(key="values_epochs").value == [5, 20]
    page.segmented_control(key="metric").set_value("aucroc").run()
    assert len(page.warning) == 5, "another metric is the same sweep"
    page.selectbox(key="sweep_seeds").set_value(2).run()
    assert len(page.warning) == 0


def test_no_two_quantities_have_the_same_label(open_page: Open) -> None:
    page = open_page()
    options = page.selectbox(key="vary").options
    assert len(set(options)) == len(options)
    before = page.multiselect(key="values_labeled_ratio").value
    page.run()  # as after any control: the browser sends the label of the quantity
    assert page.selectbox(key="vary").value == "labeled_ratio"
    assert page.multiselect(key="values_labeled_ratio").value == before
