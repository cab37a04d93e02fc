"""Plans, runs and results of rankings, on made figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from anoonly_core.results.summary import RunSummary
from anoonly_core.which.plan import WhichPlan, plan_which
from anoonly_core.which.result import WhichResult, which_result

Figure = Callable[[str, int, int], float]  # of a system, a number of labels and a seed
THREE = ("DeepSAD + AnoOnly", "LogisticRegression", "KNN")


def plan_of(systems: tuple[str, ...] = THREE, counts: tuple[int, ...] = (1, 5, 20), seeds: int = 5) -> WhichPlan:
    return plan_which("digits_3", systems, counts, seeds=seeds)


def runs_of(plan: WhichPlan, figure: Figure, seconds: Mapping[str, float] | None = None) -> dict[str, RunSummary]:
    return {
        key: RunSummary(
            key=key,
            config=plan.configs[key].model_dump(),
            device="cpu",
            metrics={"aucpr_anomaly": figure(system, count, seed)},
            seconds={"train": (seconds or {}).get(system, 1.0), "score": 0.0},
            counts={},
            created=0.0,
            pinned=False,
            bytes=0,
        )
        for (system, count, seed), key in plan.keys.items()
    }


def noisy(means: Mapping[str, float], spread: float = 0.01) -> Figure:
    """Return figures around a mean for each system, with one draw for each system, number and seed."""

    def figure(system: str, count: int, seed: int) -> float:
        return means[system] + spread * float(np.random.default_rng([count, seed, len(system)]).normal())

    return figure


def result_of(means: Mapping[str, float], spread: float = 0.01, **seconds: float) -> WhichResult:
    plan = plan_of(tuple(means))
    named = {name: seconds.get(name.split()[0].rstrip(","), 1.0) for name in means}
    return which_result(plan, runs_of(plan, noisy(means, spread), named))
