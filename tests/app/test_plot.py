"""The charts of the page without Streamlit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from anoonly_core import make_config, run_many
from app import plot
from app.charts.pair import Pair

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pair() -> Pair:
    plain = make_config(dataset="breast_cancer", epochs=2, batch_size=64, lambda_n=1.0)
    return Pair(*run_many([plain, plain.with_(lambda_n=0.0)]), flagged=3.0)


@pytest.mark.parametrize("name", ["scores", "curves", "confusion", "history"])
def test_a_figure_is_that_of_the_page(pair: Pair, name: str) -> None:
    options = () if name == "history" else (3.0,)
    assert getattr(plot, name)(pair.a, pair.b, *options) == getattr(pair, name)()


def test_maps_show_inputs_and_both_runs(pair: Pair) -> None:
    figure = plot.points(pair.a, pair.b)
    titles = [note.text for note in figure.layout.annotations]
    assert titles == ["input features", *(side.title for side in pair.sides)]
    rows = sum(len(trace.x) for trace in figure.data)
    assert rows == 3 * len(pair.b.sample.rows)


def test_the_split_has_every_row(pair: Pair) -> None:
    figure = plot.split(pair.b)
    assert sum(trace.x[0] for trace in figure.data) == pair.b.counts["train"] + pair.b.counts["test"]


@pytest.mark.parametrize(("hidden", "said"), [("streamlit", "drawn"), ("plotly", "A chart needs packages")])
def test_plots_need_plotly_and_no_streamlit(hidden: str, said: str) -> None:
    script = (
        f"import sys; sys.modules[{hidden!r}] = None\n"
        "from anoonly_core.errors import ExtraMissing\n"
        "try:\n    import app.plot; print('drawn', 'streamlit' in sys.modules and sys.modules['streamlit'])\n"
        "except ExtraMissing as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith(said) and "streamlit'" not in done.stdout, done.stderr
