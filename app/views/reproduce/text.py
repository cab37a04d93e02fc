"""The sentences of Reproduce, made from the values on the page."""

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
    """Return the headline: in how many pairs of head and data set AnoOnly clearly helps or hurts, and where most.

    Verdicts are corrected for all pairs (Holm).

    Parameters
    ----------
    gains : sequence of Gain
        The gains of AnoOnly over its baselines; those on the data sets of the paper's tables are counted.
    metric_words : str
        The name of the metric.
    source : str
        A key of SOURCES, "text" or "code": whose settings the runs have, those of the paper's text or of its code.
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
    """Return the headline of Table 2: AnoOnly with batch norm against DeepSAD's full loss with its best norm.

    `table` holds a row for each norm, with the columns "DeepSAD" and "DeepSAD + AnoOnly".
    """
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
    """Return a sentence that compares AnoOnly and the full loss with batch norm on both sides; "" if `best` is it.

    Parameters
    ----------
    table : Table
        The table of norms.
    best : str
        The norm with which the full loss is best, by its label.
    anoonly : Cell
        AnoOnly with batch norm.
    """
    same = table.cells.get((NORM_LABELS["batch"], "DeepSAD"))
    if best == NORM_LABELS["batch"] or same is None:
        return ""
    change = CellDifference.between(same, anoonly)
    return (
        f" Norm and λₙ both differ there: the gap may come from either. With batch norm on both sides: {change.text()}."
    )


def figure_sentence(name: str, table: Table) -> str:
    """Return the headline of a figure of the paper, made from the measured values.

    It tells the cost of a dirty pool for Fig. 8, the best λₙ for Fig. 7, and where AnoOnly leads for the others.
    Verdicts are corrected for all comparisons of the sentence (Holm).

    Parameters
    ----------
    name : str
        The experiment, such as "fig5".
    table : Table
        The measured values: a row a system, a column a value of the varied setting.
    """
    cells = {row: {c: table.cells[row, c] for c in table.columns if (row, c) in table.cells} for row in table.rows}
    if name == "fig7":
        return _highest_means({row: line for row, line in cells.items() if len(line) > 1})
    pairs = {row: (cells[row], cells[f"{row}{ANOONLY}"]) for row in cells if f"{row}{ANOONLY}" in cells}
    return _costs(pairs) if name == "fig8" else _leads(pairs)


def second_cause_sentence(name: str, table: Table, gains: Sequence[Gain]) -> str:
    """Return a sentence that names the heads of a headline whose published norm changes with λₙ; "" if there are none.

    Parameters
    ----------
    name : str
        The experiment, such as "table1".
    table : Table
        The measured values.
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
    """Difference of the means of two cells in points, and the differences by seed, if both have as many seeds.

    Attributes
    ----------
    points : float
        Difference of the means.
    by_seed : tuple of float
        Paired differences; empty if the cells differ in their number of seeds.
    """

    points: float
    by_seed: tuple[float, ...] = ()

    @classmethod
    def between(cls, before: Cell, after: Cell) -> CellDifference:
        """Return the difference `after` minus `before`, paired by seed if both have as many."""
        if len(before.values) != len(after.values):
            return cls(after.mean - before.mean)
        changes = (later - earlier for later, earlier in zip(after.values, before.values, strict=True))
        return cls(after.mean - before.mean, tuple(changes))

    def minus(self, other: CellDifference) -> CellDifference:
        """Return this difference minus another one, paired by seed if both have as many."""
        if len(self.by_seed) != len(other.by_seed):
            return CellDifference(self.points - other.points)
        changes = (own - others for own, others in zip(self.by_seed, other.by_seed, strict=True))
        return CellDifference(self.points - other.points, tuple(changes))

    @property
    def p(self) -> float | None:
        """Two-sided p of the paired t test over seeds; None with fewer than two paired seeds."""
        return p_of_mean(self.by_seed)

    @property
    def is_clear(self) -> bool:
        """True if the 95 % interval of the difference, not corrected for other comparisons, excludes zero."""
        half = margin_of_error(self.by_seed)
        return half is not None and abs(self.points) > half

    def text(self, comparisons: int = 1) -> str:
        """Format the difference with its 95 % interval over seeds, as "+5.1 ± 1.3"; without the interval if unpaired.

        `comparisons` is the number of comparisons that the interval is widened for (Bonferroni).
        """
        half = margin_of_error(self.by_seed, comparisons)
        return signed(self.points) + ("" if half is None else f" ± {half:.1f}")


def _highest_means(lines: Mapping[str, Mapping[str, Cell]]) -> str:
    """Return a sentence on the λₙ at which each system has its highest mean, compared with its first λₙ.

    `lines` maps a system to its cells by λₙ as text.
    """
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
    """Return sentences on the cost of a dirty pool for each head, without and with AnoOnly, and on what AnoOnly saves.

    `pairs` maps a head to its two lines, without and with AnoOnly: the cells by column, the first two of which are
    compared.
    """
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
    """Return sentences on where AnoOnly clearly leads or trails its baseline, and on the largest difference.

    `pairs` maps a head to its two lines, without and with AnoOnly: the cells by value of the varied setting.
    """
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
    """Return how many measured values agree with the published ones, by kind of agreement.

    Parameters
    ----------
    code : sequence of PublishedDifference
        Measured values against those of the authors' code.
    paper : sequence of PublishedDifference
        Measured values against those printed in Table 1.
    """

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
