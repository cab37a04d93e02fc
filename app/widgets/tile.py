"""One metric of A and B as a tile."""

from __future__ import annotations

from ..text.verdict import PairedDifference, format_difference

__all__ = ["TILE_HELP", "tile"]


TILE_HELP = (
    "Mean over {seeds} seed(s). ± is the 95 % interval of the mean paired difference; gray where it covers zero. "
    "Chance is what scores without any skill get."
)


def tile(label: str, difference: PairedDifference, chance: float | None, more_is_better: bool = True) -> str:
    """Return one metric of A and B as Markdown: label, both means, and a badge with their difference and its interval.

    The badge is gray unless the difference is clear. Then it is green for a rise and red for a fall.

    Parameters
    ----------
    label : str
        Name of the metric.
    difference : PairedDifference
        The metric of A and B over the seeds.
    chance : float or None
        Metric of random scores, shown beside the label; None to leave it out.
    more_is_better : bool
        False to use blue for each clear difference, of a measure that is neither good nor bad.
    """
    mark, color = "", "gray"
    if difference.is_clear:
        mark, color = ("▲ ", "green") if difference.delta > 0 else ("▼ ", "red")
        color = color if more_is_better else "blue"
    return (
        f":small[{label}, A → B{'' if chance is None else f' · chance {chance:.2f}'}]  \n"
        f"**{difference.a:.3f} → {difference.b:.3f}** :{color}-badge[{mark}{format_difference(difference, 3)}]"
    )
