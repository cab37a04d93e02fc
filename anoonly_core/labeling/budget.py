"""Budget curves: anomalies found and AUCPR over the labels spent by each query rule; the true labels answer.

A query asks for rows of the training part, and the test part stays unseen. Without any known anomaly an isolation
forest ranks the rows until the first one is found, since no head trains before. Source: docs/methods.md § 17.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from anoonly_core.config import RunConfig
from anoonly_core.data.dataset import Dataset, make_dataset
from anoonly_core.data.split import Split, make_split
from anoonly_core.labeling.budget_table import BASELINE, BudgetCurve, BudgetPlan
from anoonly_core.labeling.rules import QUERY_RULES, Query, choose_rows
from anoonly_core.labeling.run import isolation_forest
from anoonly_core.metrics.ranking import metrics
from anoonly_core.progress import Report
from anoonly_core.rng import numpy_generator
from anoonly_core.runs.train_and_score import TrainingTask, trained_stacks

__all__ = ["at_most", "simulate"]


def at_most(dataset: Dataset, rows: int) -> Dataset:
    """Return a data set with at most this number of rows, drawn at random, the same ones at each call."""
    if dataset.rows <= rows:
        return dataset
    kept = np.sort(numpy_generator(0, "budget rows").permutation(dataset.rows)[:rows])
    unlabeled = None if dataset.unlabeled is None else dataset.unlabeled[kept]
    return make_dataset(dataset.name, dataset.X[kept], dataset.y[kept], dataset.provenance, unlabeled=unlabeled)


def simulate(dataset: Dataset, plan: BudgetPlan, report: Report = lambda done, total: None) -> list[BudgetCurve]:
    """Label a data set by each rule of a plan, round by round, and return the curves.

    Parameters
    ----------
    dataset
        Data set whose labels answer the queries; rows without a label are never asked for.
    plan
        System, rules, seeds, rounds and rows of a round.
    report
        Called with (rounds done, all rounds) after each round; an exception stops the simulation.

    Returns
    -------
    list of BudgetCurve
        One per system (AnoOnly and baseline), rule and seed.

    Raises
    ------
    SplitImpossible
        If the data set cannot be split.
    TrainingDiverged
        If a score is not a finite number.
    """
    parts = [_Part(dataset, make_split(dataset, plan.config(BASELINE, seed)), seed) for seed in plan.seeds]
    loops = [_Loop(plan, part, system, rule) for system in plan.systems for rule in plan.rules for part in parts]
    for done in range(plan.rounds + 1):
        _rank(loops)
        for loop in loops:
            loop.measure()
            if done < plan.rounds:
                loop.ask()
        report(done + 1, plan.rounds + 1)
    return [loop.curve for loop in loops]


@dataclass(frozen=True, eq=False)
class _Part:
    """Split of one seed: `rows` are the distinct rows of its training part with a known label, int64 [n]."""

    dataset: Dataset
    split: Split
    seed: int

    @cached_property
    def rows(self) -> np.ndarray:
        rows = np.unique(self.split.train)
        known: np.ndarray = rows[self.dataset.known[rows]]
        return known

    @cached_property
    def scored(self) -> np.ndarray:
        """Rows that each model scores: those to ask for, then the test rows, int64."""
        return np.concatenate([self.rows, self.split.test])

    @cached_property
    def forest_scores(self) -> np.ndarray:
        forest = isolation_forest(self.split.scaled(self.dataset, np.unique(self.split.train)), self.seed)
        return -np.asarray(forest.score_samples(self.split.scaled(self.dataset, self.scored)))

    def known(self, count: int) -> np.ndarray:
        """Draw the anomalies that are known at the start, at most `count`, as indices into `rows`."""
        anomalies = np.flatnonzero(self.dataset.y[self.rows] == 1)
        return numpy_generator(self.seed, "budget start").permutation(anomalies)[:count]

    @cached_property
    def inputs(self) -> np.ndarray:
        return self.split.scaled(self.dataset, self.rows)


class _Loop:
    """State of one labeling loop: the rows asked for so far, as indices into `part.rows`, and the present ranking."""

    def __init__(self, plan: BudgetPlan, part: _Part, system: str, rule: str) -> None:
        self.plan, self.part, self.rule, self.system = plan, part, rule, system
        self.start = part.known(plan.known)
        self.asked = self.start
        self.random = numpy_generator(part.seed, f"budget {rule}")
        self.scores, self.features = part.forest_scores, part.inputs
        self.other_scores: np.ndarray | None = None
        self.found: list[int] = []
        self.aucpr: list[float] = []

    @property
    def configs(self) -> list[RunConfig]:
        """Runs to train: that of the system, and for a rule that compares two models that of the other system."""
        systems = [self.system, *(each for each in self.plan.systems if each != self.system)]
        used = systems if QUERY_RULES[self.rule].needs_other else systems[:1]
        return [self.plan.config(system, self.part.seed) for system in used]

    @property
    def split(self) -> Split | None:
        """The split with the labels so far; None before the first anomaly is found."""
        train, rows = self.part.split.train, self.part.rows[self.asked]
        answers = self.part.dataset.y[rows]
        labeled, normal = (np.isin(train, rows[answers == label]) for label in (1, 0))
        if not labeled.any():
            return None
        known = normal if normal.any() else None
        return replace(self.part.split, labeled=labeled, known_normal=known, counts={})

    def measure(self) -> None:
        """Record the anomalies found and the AUCPR of the test rows."""
        self.found.append(int(self.part.dataset.y[self.part.rows[self.asked]].sum()) - len(self.start))
        test = self.part.split.test
        self.aucpr.append(metrics(self.part.dataset.y[test], self.scores[len(self.part.rows) :]).aucpr_anomaly)

    def ask(self) -> None:
        """Choose the rows of a round by the rule; before the first anomaly a rule with two models takes the top."""
        count = len(self.part.rows)
        other = None if self.other_scores is None else self.other_scores[:count]
        candidates = np.setdiff1d(np.arange(count), self.asked)
        query = Query(self.scores[:count], self.features, candidates, self.random, other)
        rule = "highest" if QUERY_RULES[self.rule].needs_other and other is None else self.rule
        self.asked = np.concatenate([self.asked, choose_rows(rule, query, self.plan.batch)])

    @property
    def curve(self) -> BudgetCurve:
        return BudgetCurve(
            self.part.dataset.name, self.system, self.rule, self.part.seed, tuple(self.found), tuple(self.aucpr)
        )


def _rank(loops: Sequence[_Loop]) -> None:
    """Train the systems of all loops that have found an anomaly, together, and set their scores and features."""
    tasks, owners = [], []
    for loop, split in _ready(loops):
        for number, config in enumerate(loop.configs):
            tasks.append(TrainingTask(loop.part.dataset, config, split, loop.part.scored))
            owners.append((loop, number == 0))
    for indices, stack in trained_stacks(tasks):
        scores = stack.scores([tasks[index].rows for index in indices])
        hidden = stack.hidden([owners[index][0].part.rows for index in indices])
        for index, of_run, features in zip(indices, scores, hidden, strict=True):
            loop, is_first = owners[index]
            if is_first:
                loop.scores, loop.features = of_run, features
            else:
                loop.other_scores = of_run
        del stack  # before the next one is trained, since it may be large


def _ready(loops: Sequence[_Loop]) -> Iterator[tuple[_Loop, Split]]:
    for loop in loops:
        if (split := loop.split) is not None:
            yield loop, split
