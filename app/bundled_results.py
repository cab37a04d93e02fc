"""`python -m app.bundled_results`: train the runs with which pages open; they ship in assets.

python -m app.bundled_results              all of them
python -m app.bundled_results --only why   those of Why it works; first_light: Compare and Sweep; which: Which method?;
                                           fig10: a figure of Reproduce; drift: the streams of Drift;
                                           start: the answers on Start
"""

from __future__ import annotations

import argparse

from anoonly_core.config import RunConfig
from anoonly_core.results.keys import run_key
from anoonly_core.results.result import RunResult, from_bytes
from anoonly_core.sweeps.presets import SWEEP_PRESETS
from anoonly_core.sweeps.sweep import Sweep, make_sweep
from anoonly_core.which.plan import WhichPlan

from .bundled_questions import answer_questions
from .controls.choice import Choice, baseline_of, choose, default_choice
from .controls.registry import CONTROLS
from .server.result_cache import SHIPPED, SHIPPED_RECORDS
from .server.shipped_runs import RANKING_FILE, SWEEP_FILE, shipped_runs, write_shipped_runs
from .server.shipped_streams import STREAMS, write_streams
from .text.questions import Question, write_questions
from .views.drift.controls import default_drift
from .views.which.url import DEFAULT_CHOICE


def default_sweep() -> Sweep:
    """Return the sweep that the Sweep page shows first: axes of the first preset, Compare's data set, five seeds."""
    choice = default_choice()
    return make_sweep({"dataset": choice.b.dataset}, next(iter(SWEEP_PRESETS.values())).axes, choice.seeds)


def default_ranking() -> WhichPlan:
    """Return the ranking that the page Which method? shows first: digits_3, 10 labels, five seeds."""
    return DEFAULT_CHOICE.plan()


def clean_pool_choice() -> Choice:
    """Return the run of the question about a rival on Start: DevNet with λ_n = 0 in a clean pool, five seeds."""
    defaults = {control.name: control.default for control in CONTROLS}
    return choose({**defaults, "baseline": "DevNet", "contamination": 0.0, "lambda_n": 0.0})


def compared_configs() -> list[tuple[list[RunConfig], list[RunConfig]]]:
    """Return the runs of A and of B, by seed, that ship for Compare: its first page, then the question on Start."""
    first, clean = default_choice(), clean_pool_choice()
    return [
        (first.seeded(baseline_of(first.b)), first.seeded(first.b)),
        (clean.seeded(clean.b.with_(lambda_n=1.0)), clean.seeded(clean.b)),
    ]


def bundled_questions() -> list[Question]:
    """Return the questions on Start, answered with the shipped results as they are now."""
    sweep = default_sweep()
    a, b = ([_shipped_run(config) for config in side] for side in compared_configs()[1])
    return list(answer_questions(sweep, shipped_runs(sweep.configs), a, b))


def _shipped_run(config: RunConfig) -> RunResult:
    return from_bytes((SHIPPED / f"{run_key(config)}.npz").read_bytes())


def recorded_configs() -> list[RunConfig]:
    """Return the two configurations that ship as records for Why it works: Compare's default B at λ_n 0 and 1."""
    return [default_choice().b.with_(lambda_n=lambda_n, norm=None) for lambda_n in (0.0, 1.0)]


def ship_runs() -> None:
    """Delete the shipped runs of Compare and Sweep, train them again on the CPU and write them into the assets.

    The runs of Compare become one .npz file each, those of Sweep lines of one file. Takes about three minutes.
    """
    from anoonly_core.results.result import to_bytes
    from anoonly_core.results.summary import RunSummary
    from anoonly_core.runs.run import run_many

    configs = [config for a, b in compared_configs() for config in (*a, *b)]
    SHIPPED.mkdir(parents=True, exist_ok=True)
    for old in SHIPPED.glob("*.npz"):
        old.unlink()
    for result in run_many(configs, "cpu"):
        (SHIPPED / f"{result.key}.npz").write_bytes(to_bytes(result))
    runs = run_many(list(default_sweep().configs.values()), "cpu")
    write_shipped_runs(SWEEP_FILE, (RunSummary.of(result) for result in runs))


def ship_ranking() -> None:
    """Train the runs of the first ranking again on the CPU and write them into the assets; takes about five minutes."""
    from anoonly_core.results.summary import RunSummary
    from anoonly_core.runs.run import run_many

    runs = run_many(list(default_ranking().configs.values()), "cpu")
    write_shipped_runs(RANKING_FILE, (RunSummary.of(result) for result in runs))


def ship_records() -> None:
    """Delete the shipped records of Why it works, record both configurations again and write one .npz file each."""
    from anoonly_core.supervision.result import to_bytes
    from anoonly_core.supervision.run import record_columns

    SHIPPED_RECORDS.mkdir(parents=True, exist_ok=True)
    for old in SHIPPED_RECORDS.glob("*.npz"):
        old.unlink()
    for config in recorded_configs():
        record = record_columns(config)
        (SHIPPED_RECORDS / f"{record.key}.npz").write_bytes(to_bytes(record))


def ship_scored_rows() -> None:
    """Train the runs of Fig. 10 again on the CPU and write their scores and features; needs the data files."""
    from anoonly_core.data.catalogue import resolve
    from anoonly_core.reproduction.scored_rows import fig10_runs, write_scored_rows
    from anoonly_core.runs.run import run_many

    configs = [planned.config for planned in fig10_runs()]
    if absent := sorted({config.dataset for config in configs if not resolve(config.dataset).is_local()}):
        print(f"Fig. 10 stays as it is: fetch {', '.join(absent)} first.")
        return
    write_scored_rows(run_many(configs, "cpu"))


def ship_streams() -> None:
    """Delete the shipped streams of Drift, score them and their absorption again on the CPU and write them."""
    from anoonly_core.drift.run import run_absorption, run_drift

    for old in STREAMS.glob("*"):
        old.unlink()
    choice = default_drift()
    write_streams(choice.stream_key, run_drift(choice.configs))
    write_streams(choice.absorption_key, run_absorption(choice.configs))


def ship_questions() -> None:
    """Answer the questions on Start again from the shipped results and write them into the assets; trains nothing."""
    write_questions(bundled_questions())


def main() -> None:
    """Train and write all shipped results, or only those that the command-line option `--only` names."""
    tasks = {"first_light": ship_runs, "which": ship_ranking, "why": ship_records, "fig10": ship_scored_rows}
    tasks |= {"drift": ship_streams, "start": ship_questions}  # last, since the answers are made from the other results
    parser = argparse.ArgumentParser(description="Train the results that ship with the app.")
    parser.add_argument("--only", choices=list(tasks), help="one group of results; all by default")
    only = parser.parse_args().only
    for name, ship in tasks.items():
        if only in (None, name):
            ship()


if __name__ == "__main__":
    main()
