"""The figures of a comparison's first seed, each with its sentence: what the page and its report show alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import plotly.graph_objects as go

from anoonly_core.baselines import BASELINES
from anoonly_core.metrics.ranking import Confusion, Curves, chance_levels, confusion, curves
from anoonly_core.results.result import RunResult
from app.charts import runs as charts
from app.charts.style import ScoreScale, Side
from app.text.verdict import describe_run

__all__ = [
    "FIGURE_DESCRIPTIONS",
    "PROJECTION_CAVEAT",
    "Pair",
    "make_sides",
    "published_sign_sentence",
    "split_sentence",
    "training_sentences",
]

# What each figure shows, in one sentence.
FIGURE_DESCRIPTIONS = {
    "scores": "Score distributions of normal rows and anomalies for A and B on one axis, with the threshold.",
    "points": "The same test rows in three maps: input features, what A sees in them, what B sees.",
    "curves": "ROC and precision-recall curves of A and B with the threshold's marks.",
    "confusion": "Confusion matrices of A and B at the threshold.",
    "history": "Losses and test metrics over the epochs for A and B.",
    "split": "Training and test rows of {letters} by kind, as two bars.",
}
PROJECTION_CAVEAT = "Distances between clusters, and their sizes, mean little in t-SNE and UMAP."


def make_sides(a: RunResult, b: RunResult) -> list[Side]:
    """The two runs as the charts need them, each named by what sets it apart from the other."""
    return [
        Side(letter, describe_run(r.config, other.config), r.y_test, r.scores, ScoreScale.of(r.scores))
        for letter, r, other in (("A", a, b), ("B", b, a))
    ]


@dataclass(frozen=True, eq=False)
class Pair:
    """A and B at one threshold, in interquartile ranges above the median of each one's test scores."""

    a: RunResult
    b: RunResult
    threshold: float

    @cached_property
    def sides(self) -> list[Side]:
        return make_sides(self.a, self.b)

    @cached_property
    def cuts(self) -> list[float]:
        """The threshold as a score of each."""
        return [side.scale.score(self.threshold) for side in self.sides]

    @cached_property
    def confusions(self) -> list[Confusion]:
        return [confusion(side.y, side.scores, cut) for side, cut in zip(self.sides, self.cuts, strict=True)]

    @property
    def splits(self) -> dict[str, RunResult]:
        """Whose split is drawn, by the letters that share it."""
        a, b = self.a.counts, self.b.counts
        # A result that was kept before a count was first taken lacks it.
        same = all(a[name] == b[name] for name in a.keys() & b.keys())
        return {"A and B": self.b} if same else {"B": self.b, "A": self.a}

    @property
    def has_history(self) -> bool:
        """Whether either has epochs."""
        return any(len(run.history.loss_normal) for run in (self.a, self.b))

    def scores(self) -> go.Figure:
        return charts.scores_figure(self.sides, self.threshold, self.confusions)

    def curves(self) -> go.Figure:
        drawn = [curves(side.y, side.scores) for side in self.sides]
        at = [_last_flagged(curve, cut) for curve, cut in zip(drawn, self.cuts, strict=True)]
        return charts.curves_figure(self.sides, drawn, at, chance_levels(self.b.y_test))

    def confusion(self) -> go.Figure:
        return charts.confusion_figure(self.sides, self.confusions)

    def history(self) -> go.Figure:
        runs = {"A": self.a, "B": self.b}
        return charts.history_figure(
            {letter: run.history for letter, run in runs.items()},
            one_loss=[letter for letter, run in runs.items() if not BASELINES[run.config.baseline].has("lambda_n")],
        )


def _last_flagged(curve: Curves, cut: float) -> int:
    """The curve's point at this threshold; -1 where nothing is flagged."""
    return int((curve.threshold >= cut).sum()) - 1


def published_sign_sentence(a: RunResult, b: RunResult) -> str:
    """What became of the paper's third curve."""
    return (
        "The third curve treats the normal rows as the class to find, ranked by minus the score. The paper's "
        "Table 4 left the sign as it was: "
        f"that gives {a.metrics.aucpr_normal_published:.3f} → {b.metrics.aucpr_normal_published:.3f} here, "
        f"in place of {a.metrics.aucpr_normal:.3f} → {b.metrics.aucpr_normal:.3f}."
    )


def training_sentences(a: RunResult, b: RunResult) -> list[str]:
    """What epochs and batches are, in B and, where it is another system, in A; in Markdown."""
    runs = {"B": b} if a.config.baseline == b.config.baseline else {"A": a, "B": b}
    return [_about_epochs(letter, run) for letter, run in runs.items()]


def _about_epochs(letter: str, result: RunResult) -> str:
    """What a run's epochs and batches are, and how many labeled anomalies its batches held."""
    name, history = result.config.baseline, result.history
    if not len(history.loss_normal):
        return f"**{letter}**: {name} has no epochs."
    share, empty = float(history.labelled_share.mean()), float(history.batches_without_anomaly.mean())
    held = f"of the rows in a batch {share:.1%} are labeled anomalies on average; {empty:.0%} of the batches hold none"
    before = ""
    if before_it := BASELINES[name].pretraining_epochs:
        before = f" {before_it} epochs come before, which train its autoencoder alone on the pool."
    return (
        f"**{letter}**: {held if share else 'no batch holds a labeled anomaly'}. "
        f"An epoch of {name} is {BASELINES[name].epoch}.{before}"
    )


def split_sentence(letters: str, run: RunResult, name: str) -> str:
    """Who trains and who tests, in Markdown; name: what the data set is called there."""
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
        f"Training sees {counts['labelled_anomalies']} labeled anomalies and a pool of {pool} unlabeled rows, "
        f"of which {counts['pool_anomalies']} "
        f"({counts['pool_anomalies'] / max(pool, 1):.1%}) are anomalies that training does not know of{unknown}."
        f"{dropped}{copies} "
        f"Testing: {counts['test_normal']} normal rows and {counts['test_anomalies']} anomalies, "
        f"{counts['test_copies_of_training_part']} of them copies of training rows."
    )
