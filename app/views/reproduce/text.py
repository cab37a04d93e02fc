"""The sentences of Reproduce, made from its values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anoonly_core.baselines import NORM_LABELS
from anoonly_core.metrics.confidence import clear_together, margin_of_error, p_of_mean
from anoonly_core.reproduction.cells import Cell, signed
from anoonly_core.reproduction.differences import VERDICTS, PublishedDifference
from anoonly_core.reproduction.experiments import ANOONLY, SOURCES, tied_norms_sentence
from anoonly_core.reproduction.families import PAPER_FAMILIES
from anoonly_core.reproduction.significance import Gain, count_gains
from anoonly_core.reproduction.tables import Table

from ...text.verdict import correction_note

__all__ = [
    "NO_RESULT",
    "differences_sentence",
    "figure_sentence",
    "gains_sentence",
    "norms_sentence",
    "second_cause_sentence",
]

NO_RESULT = "Nothing of this has been measured on these data sets."


def gains_sentence(gains: Sequence[Gain], metric_words: str, source: str) -> str:
    """Return how often AnoOnly helps and hurts, and where most, over heads and the paper's data sets.

    Parameters
    ----------
    gains : sequence of Gain
        The paired differences of all heads and data sets.
    metric_words : str
        The name of the metric.
    reading : str
        A key of SOURCES: "text" or "code".
    """
    cells = [gain for gain in gains if gain.scope in PAPER_FAMILIES]
    if not cells:
        return NO_RESULT
    counts = count_gains(cells)
    is_clear = clear_together([gain.p_seeds for gain in cells])
    sentence = (
        f"{SOURCES[source].capitalize()}, AnoOnly clearly raises the {metric_words} in {counts.better} of "
        f"{len(cells)} pairs of head and data set and clearly lowers it in {counts.worse}, after Holm's correction "
        f"{counts.beside()}"
    )
    for verb, sign in (("gains", 1), ("loses", -1)):
        some = [gain for gain, clear in zip(cells, is_clear, strict=True) if clear and sign * gain.mean > 0]
        if some:
            furthest = max(some, key=lambda gain: abs(gain.mean))
            claimed = "" if furthest.claimed is None else f" (claimed {signed(furthest.claimed)})"
            sentence += f"; **{furthest.head}** {verb} most, {furthest.text()} points{claimed} on {furthest.where}"
    return f"{sentence}."


def norms_sentence(table: Table) -> str:
    """Return AnoOnly with batch norm against the full loss with its best norm, in the table as it is shown."""
    anoonly = table.cells.get((NORM_LABELS["batch"], "DeepSAD + AnoOnly"))
    rivals = [(row, table.cells[row, "DeepSAD"]) for row in table.rows if (row, "DeepSAD") in table.cells]
    if anoonly is None or not rivals:
        return NO_RESULT
    best, rival = max(rivals, key=lambda rival: rival[1].mean)
    without = [
        f"{words} {table.cells[words, 'DeepSAD + AnoOnly'].text()}"
        for words in (NORM_LABELS[norm] for norm in ("layer", "none"))
        if (words, "DeepSAD + AnoOnly") in table.cells
    ]
    change = CellDifference.between(rival, anoonly)
    return (
        f"**DeepSAD + AnoOnly** reaches {anoonly.text()} with batch norm ({', '.join(without)}); with its full loss "
        f"DeepSAD has its highest mean with {best}, {rival.text()}: {change.text(len(rivals))} points for AnoOnly. "
        f"This interval allows for choosing the best of {len(rivals)} norms; uncorrected {change.text()}."
        f"{_with_one_norm(table, best, anoonly)}"
    )


def _with_one_norm(table: Table, best: str, anoonly: Cell) -> str:
    """Return AnoOnly against the full loss with batch norm on both sides, if the best norm is another one."""
    same = table.cells.get((NORM_LABELS["batch"], "DeepSAD"))
    if best == NORM_LABELS["batch"] or same is None:
        return ""
    change = CellDifference.between(same, anoonly)
    return (
        f" Norm and λₙ both differ there: the gap may come from either. With batch norm on both sides: {change.text()}."
    )


def figure_sentence(name: str, table: Table) -> str:
    """Return the effect of AnoOnly along a figure; the cost of a dirty pool for Fig. 8, the best λₙ for Fig. 7.

    Verdicts are corrected for all comparisons of the sentence (Holm).
    """
    cells = {row: {c: table.cells[row, c] for c in table.columns if (row, c) in table.cells} for row in table.rows}
    if name == "fig7":
        return _highest_means({row: line for row, line in cells.items() if len(line) > 1})
    pairs = {row: (cells[row], cells[f"{row}{ANOONLY}"]) for row in cells if f"{row}{ANOONLY}" in cells}
    return _costs(pairs) if name == "fig8" else _leads(pairs)


def second_cause_sentence(name: str, table: Table, gains: Sequence[Gain]) -> str:
    """Name the heads of a headline whose norm changes along with λₙ; empty if there are none.

    Parameters
    ----------
    name : str
        The experiment, such as "table1".
    table : Table
        The values on the page.
    gains : sequence of Gain
        Those of `gains_sentence`; empty if the headline is another one.
    """
    heads: list[str] = []
    if gains:
        heads = [gain.head for gain in gains if gain.scope in PAPER_FAMILIES]
    elif name == "fig7":
        heads = [row for row in table.rows if sum((row, column) in table.cells for column in table.columns) > 1]
    elif name.startswith("fig"):
        heads = [row for row in table.rows if f"{row}{ANOONLY}" in table.rows]
    return tied_norms_sentence(heads, [table.source]).strip()


@dataclass(frozen=True)
class CellDifference:
    """Mean difference of two cells in points, and its values by seed; no values if the seeds differ."""

    points: float
    by_seed: tuple[float, ...] = ()

    @classmethod
    def between(cls, before: Cell, after: Cell) -> CellDifference:
        """Return after minus before."""
        if len(before.values) != len(after.values):
            return cls(after.mean - before.mean)
        changes = (later - earlier for later, earlier in zip(after.values, before.values, strict=True))
        return cls(after.mean - before.mean, tuple(changes))

    def minus(self, other: CellDifference) -> CellDifference:
        """Return the difference of two differences, paired by seed."""
        if len(self.by_seed) != len(other.by_seed):
            return CellDifference(self.points - other.points)
        changes = (own - others for own, others in zip(self.by_seed, other.by_seed, strict=True))
        return CellDifference(self.points - other.points, tuple(changes))

    @property
    def p(self) -> float | None:
        """Two-sided p of the t test over seeds; None without two paired seeds."""
        return p_of_mean(self.by_seed)

    @property
    def is_clear(self) -> bool:
        """True if the 95 % interval of this difference alone excludes zero."""
        half = margin_of_error(self.by_seed)
        return half is not None and abs(self.points) > half

    def text(self, comparisons: int = 1) -> str:
        """Format as "+5.1 ± 1.3", with the interval over seeds for this number of comparisons (Bonferroni)."""
        half = margin_of_error(self.by_seed, comparisons)
        return signed(self.points) + ("" if half is None else f" ± {half:.1f}")


def _highest_means(lines: Mapping[str, Mapping[str, Cell]]) -> str:
    """Return at which λₙ each system has its highest mean, against its first λₙ."""
    changes = {
        (row, column): CellDifference.between(next(iter(line.values())), cell)
        for row, line in lines.items()
        for column, cell in list(line.items())[1:]
    }
    if not changes:
        return NO_RESULT
    p_values = [change.p for change in changes.values()]
    is_clear = dict(zip(changes, clear_together(p_values), strict=True))
    clauses = []
    for row, line in lines.items():
        first, best = next(iter(line)), max(line, key=lambda column: line[column].mean)
        clause = f"**{row}** has its highest mean at λₙ = {best}, {line[best].text()}"
        if best != first:
            change = changes[row, best]
            clause += f", {change.text()} against λₙ = {first}, "
            uncorrected = "clear only uncorrected" if change.is_clear else "no clear difference"
            clause += "a clear difference" if is_clear[row, best] else uncorrected
        clauses.append(clause)
    return f"{'; '.join(clauses)}.{correction_note(p_values)}"


def _costs(pairs: Mapping[str, tuple[Mapping[str, Cell], Mapping[str, Cell]]]) -> str:
    """Return the cost of a dirty pool for each head, alone and with AnoOnly, and the difference of the two."""
    clauses, p_values = [], []
    for row, (plain, anoonly) in pairs.items():
        if min(len(plain), len(anoonly)) < 2:
            continue
        alone, with_it = (CellDifference.between(*list(line.values())[1::-1]) for line in (plain, anoonly))
        saved = alone.minus(with_it)
        p_values.append(saved.p)
        costs = [cost.text().removeprefix("+") for cost in (alone, with_it)]
        clauses.append((f"**{row}** {costs[0]} alone, {costs[1]} with AnoOnly ({saved.text()})", saved.is_clear))
    if not clauses:
        return NO_RESULT
    joined = "; ".join(clause for clause, _ in clauses)
    return (
        "What the unlabeled anomalies in the pool cost, in points of AUCROC, and in brackets what AnoOnly saves: "
        f"{joined}. The cost differs clearly for {sum(clear_together(p_values))} of {len(clauses)} heads (uncorrected: "
        f"{sum(clear for _, clear in clauses)}).{correction_note(p_values)}"
    )


def _leads(pairs: Mapping[str, tuple[Mapping[str, Cell], Mapping[str, Cell]]]) -> str:
    """Return at how many values AnoOnly is clearly ahead of its baseline and behind it, and the largest difference."""
    changes = {
        (row, column): CellDifference.between(plain[column], anoonly[column])
        for row, (plain, anoonly) in pairs.items()
        for column in plain
        if column in anoonly
    }
    if not changes:
        return NO_RESULT
    p_values = [change.p for change in changes.values()]
    is_clear = dict(zip(changes, clear_together(p_values), strict=True))
    clauses = []
    for row in dict.fromkeys(row for row, _ in changes):
        line = {column: change for (other, column), change in changes.items() if other == row}
        together = [line[column].points for column in line if is_clear[row, column]]
        alone = [change.points for change in line.values() if change.is_clear]
        (ahead, behind), (ahead_alone, behind_alone) = (
            (sum(points > 0 for points in clear), sum(points < 0 for points in clear)) for clear in (together, alone)
        )
        furthest = max(line, key=lambda column: abs(line[column].points))
        doubt = "" if is_clear[row, furthest] else " not clear,"
        clauses.append(
            f"**{row} + AnoOnly** is clearly ahead of {row} at {ahead} of {len(line)} values and clearly behind at "
            f"{behind} (uncorrected: {ahead_alone} and {behind_alone}); the largest difference, "
            f"{line[furthest].text()},{doubt} is at {furthest}"
        )
    return f"{'; '.join(clauses)}.{correction_note(p_values)}"


def differences_sentence(code: Sequence[PublishedDifference], paper: Sequence[PublishedDifference]) -> str:
    """Return how many of our values agree with the published ones, and how many of the others are explained."""

    def counted(differences: Sequence[PublishedDifference]) -> str:
        counts = Counter(difference.verdict for difference in differences)
        return ", ".join(f"{counts[name]} {words}" for name, words in VERDICTS.items() if counts[name])

    if not code and not paper:
        return NO_RESULT
    return (
        f"Of {len(code)} figures of the authors' code that we measured again: {counted(code)}. "
        f"Of {len(paper)} printed in Table 1: {counted(paper)}. Each is judged by its own 95 % interval, so that about "
        "one figure in twenty lies outside by chance alone."
    )
