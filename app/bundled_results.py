"""`python -m app.bundled_results`: train the runs with which Compare and Sweep open; they ship in assets."""

from __future__ import annotations

from anoonly_core.sweeps.presets import SWEEP_PRESETS
from anoonly_core.sweeps.sweep import Sweep, make_sweep

from .controls.choice import baseline_of, default_choice
from .server.result_cache import SHIPPED
from .server.shipped_runs import write_shipped_runs


def default_sweep() -> Sweep:
    """Return the sweep with which Sweep opens: the first preset on Compare's data set, with five seeds."""
    choice = default_choice()
    return make_sweep({"dataset": choice.b.dataset}, next(iter(SWEEP_PRESETS.values())).axes, choice.seeds)


def main() -> None:
    """Delete the shipped results, train the runs again on the CPU and write them; Sweep's take about three minutes."""
    from anoonly_core.results.result import to_bytes
    from anoonly_core.results.summary import RunSummary
    from anoonly_core.runs.run import run_many

    choice = default_choice()
    configs = [*choice.seeded(baseline_of(choice.b)), *choice.seeded(choice.b)]
    SHIPPED.mkdir(parents=True, exist_ok=True)
    for old in SHIPPED.glob("*.npz"):
        old.unlink()
    for result in run_many(configs, "cpu"):
        (SHIPPED / f"{result.key}.npz").write_bytes(to_bytes(result))
    write_shipped_runs(RunSummary.of(result) for result in run_many(list(default_sweep().configs.values()), "cpu"))


if __name__ == "__main__":
    main()
