"""Figures of the first seed of a comparison and their captions, shared by the Compare page and its report."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import plotly.graph_objects as go

from anoonly_core.baselines import BASELINES
from anoonly_core.data.split import labeled_anomalies
from anoonly_core.metrics.ranking import Confusion, Curves, chance_levels, confusion, curves, threshold_of_share
from anoonly_core.results.result import RunResult

from ..text.verdict import describe_run
from . import runs as charts
from .promise import Promise, format_number
from .style import AbsoluteScale, ScoreScale, Side

__all__ = [
    "FIGURE_DESCRIPTIONS",
    "PROJECTION_CAVEAT",
    "UNLABELED_NOTE",
    "Pair",
    "make_sides",
    "published_sign_sentence",
    "split_sentence",
    "training_sentences",
]

# One sentence a figure, also its alternative text.
FIGURE_DESCRIPTIONS = {
    "scores": "Score distributions of normal rows and anomalies for A and B on one axis, with the threshold.",
    "points": "The same test rows in three maps: input features, hidden features of A, hidden features of B.",
    "curves": "ROC and precision-recall curves of A and B, with marks at the threshold.",
    "confusion": "Confusion matrices of A and B at the threshold.",
    "history": "Losses and test metrics over the epochs for A and B.",
    "split": "Training and test rows of {letters} by kind, as two bars.",
}
UNLABELED_NOTE = "Unlabeled is not normal: the pool may contain anomalies."
PROJECTION_CAVEAT = "t-SNE and UMAP do not preserve distances between clusters or their sizes."


def make_sides(a: RunResult, b: RunResult) -> list[Side]:
    """Return A and B as `Side` objects for the charts; each name states the settings in which the runs differ."""
    return [
        Side(letter, describe_run(r.config, other.config), r.y_test, r.scores, ScoreScale.of(r.scores), r.config.seed)
        for letter, r, other in (("A", a, b), ("B", b, a))
    ]


@dataclass(frozen=True, eq=False)
class Pair:
    """A and B with one share of flagged rows or one rule, and the figures of the pair.

    Attributes
    ----------
    a, b : RunResult
        The runs of the first seed.
    flagged : float
        Share of the test rows that each run flags at most, in percent.
    promise : Promise or None
        Rule that sets the thresholds instead of `flagged`.
    """

    a: RunResult
    b: RunResult
    flagged: float
    promise: Promise | None = None

    @cached_property
    def sides(self) -> list[Side]:
        """Letter, name, labels and test scores of A and B, in this order, as the chart functions take them."""
        return make_sides(self.a, self.b)

    @cached_property
    def cuts(self) -> list[float]:
        """Lowest test scores of A and B, in this order, that are flagged: at most `flagged` % of the rows, or by rule.

        Infinite for a run that flags no row.
        """
        if self.promise is not None:
            return self.promise.lowest_flagged(self.sides)
        return [threshold_of_share(side.scores, self.flagged / 100) for side in self.sides]

    @property
    def threshold_sentence(self) -> str:
        """A sentence that states the share of flagged rows, or the rule, and the score thresholds of A and B."""
        a, b = map(charts.cut_text, self.cuts)
        if self.promise is not None:
            number = format_number(self.promise.rule, self.promise.number)
            return f"Flagged by {self.promise.rule.label} {number}: A {a}, B {b}. {self.promise.sentences(self.sides)}"
        return (
            f"Each run flags at most {self.flagged:g} % of the test rows, those with its highest scores: A {a}, B {b}."
        )

    @cached_property
    def confusions(self) -> list[Confusion]:
        """Confusion matrices of A and B on the test rows at their thresholds, in this order."""
        return [confusion(side.y, side.scores, cut) for side, cut in zip(self.sides, self.cuts, strict=True)]

    @property
    def splits(self) -> dict[str, RunResult]:
        """The distinct splits into training and test rows, each by one run that has it.

        The keys are "A and B" if both runs have the same split (judged by its row counts), else "B" and "A".
        """
        a, b = self.a.counts, self.b.counts
        # Results stored by earlier versions lack some of the counts.
        same = all(a[name] == b[name] for name in a.keys() & b.keys())
        return {"A and B": self.b} if same else {"B": self.b, "A": self.a}

    @property
    def has_history(self) -> bool:
        """True if A or B has trained for at least one epoch."""
        return any(len(run.history.loss_normal) for run in (self.a, self.b))

    def scores(self, is_absolute: bool = False) -> go.Figure:
        """Draw the test scores of A and B as histograms with their thresholds.

        With `is_absolute`, on one scale for the scores of both as they are.
        """
        scale = AbsoluteScale.of([side.scores for side in self.sides]) if is_absolute else None
        return charts.scores_figure(self.sides, self.cuts, self.confusions, scale)

    def curves(self) -> go.Figure:
        """Draw the ROC curve and both precision-recall curves of A and B, with a marker at the threshold of each."""
        run_curves = [curves(side.y, side.scores) for side in self.sides]
        threshold_points = [_last_flagged(curve, cut) for curve, cut in zip(run_curves, self.cuts, strict=True)]
        return charts.curves_figure(self.sides, run_curves, threshold_points, chance_levels(self.b.y_test))

    def confusion(self) -> go.Figure:
        """Draw the confusion matrices of A and B at their thresholds."""
        return charts.confusion_figure(self.sides, self.confusions)

    def history(self) -> go.Figure:
        """Draw the training losses and test metrics of A and B over the epochs."""
        runs = {"A": self.a, "B": self.b}
        return charts.history_figure(
            {letter: run.history for letter, run in runs.items()},
            self.b.config.seed,
            single_loss=[letter for letter, run in runs.items() if not BASELINES[run.config.baseline].has("lambda_n")],
        )


def _last_flagged(curve: Curves, cut: float) -> int:
    """Return the index of the last point of a curve whose threshold is at least `cut`, -1 if there is none.

    The point belongs to the score threshold `cut`; -1 means that the threshold flags no row.
    """
    return int((curve.threshold >= cut).sum()) - 1


def published_sign_sentence(a: RunResult, b: RunResult) -> str:
    """Return sentences that explain with which sign of the score "AUCPR normal" is computed here and in the paper.

    They quote the metric of A and B with both signs. Source: docs/methods.md § 4.
    """
    return (
        "The third curve treats the normal rows as the positive class, ranked by the negative score. The paper's "
        "Table 4 ranks them by the score itself: "
        f"that gives {a.metrics.aucpr_normal_published:.3f} → {b.metrics.aucpr_normal_published:.3f} here, "
        f"instead of {a.metrics.aucpr_normal:.3f} → {b.metrics.aucpr_normal:.3f}."
    )


def training_sentences(a: RunResult, b: RunResult) -> list[str]:
    """Return Markdown sentences on epochs and batches: one for B, and before it one for A if its system is another."""
    runs = {"B": b} if a.config.baseline == b.config.baseline else {"A": a, "B": b}
    return [_epochs_sentence(letter, run) for letter, run in runs.items()]


def _epochs_sentence(letter: str, result: RunResult) -> str:
    """Return Markdown on one run: the share of labeled anomalies in its batches, and the meaning of an epoch.

    A system without epochs is named as such.

    Parameters
    ----------
    letter : str
        "A" or "B".
    result : RunResult
        The run.
    """
    name, history = result.config.baseline, result.history
    if not len(history.loss_normal):
        return f"**{letter}**: {name} has no epochs."
    share, empty = float(history.labelled_share.mean()), float(history.batches_without_anomaly.mean())
    batches = f"of the rows in a batch {share:.1%} are labeled anomalies on average; {empty:.0%} of batches hold none"
    pretraining = ""
    if pretraining_epochs := BASELINES[name].pretraining_epochs:
        pretraining = f" Before them, {pretraining_epochs} epochs pretrain its autoencoder on the pool."
    return (
        f"**{letter}**: {batches if share else 'no batch holds a labeled anomaly'}. "
        f"An epoch of {name} is {BASELINES[name].epoch}.{pretraining}"
    )


def split_sentence(letters: str, run: RunResult, name: str) -> str:
    """Return Markdown that counts the training and test rows of a run by kind.

    Parameters
    ----------
    letters : str
        The runs with this split: "A", "B" or "A and B".
    run : RunResult
        One of these runs.
    name : str
        Label of the data set.
    """
    counts = run.counts
    unlabeled = counts.get("pool_unlabelled", 0)
    pool = counts["pool_normal"] + counts["pool_anomalies"] + unlabeled
    unknown = f", and {unlabeled} have no label" if unlabeled else ""
    dropped = f" {counts['dropped']} training rows were dropped." if counts["dropped"] else ""
    copies = ""
    if counts["train"] != counts["train_distinct"]:
        copies = (
            f" The training part was resampled: its {counts['train']} rows are copies of {counts['train_distinct']}."
        )
    return (
        f"**{letters}**  {name}: {counts['rows']} rows. "
        f"Training sees {labeled_anomalies(counts)} and a pool of {pool} unlabeled rows, "
        f"of which {counts['pool_anomalies']} "
        f"({counts['pool_anomalies'] / max(pool, 1):.1%}) are anomalies unknown to training{unknown}."
        f"{dropped}{copies} "
        f"Testing: {counts['test_normal']} normal rows and {counts['test_anomalies']} anomalies, "
        f"{counts['test_copies_of_training_part']} of them copies of training rows."
    )
