"""One metric of A and B as a tile."""

from __future__ import annotations

from ..text.verdict import PairedDifference, format_difference

__all__ = ["TILE_HELP", "tile"]


TILE_HELP = (
    "Mean over {seeds} seed(s). ± is the 95 % interval of the mean paired difference; gray where it covers zero. "
    "Chance is what scores without any skill get."
)


def tile(label: str, found: PairedDifference, chance: float | None, more_is_better: bool = True) -> str:
    """Return one figure as Markdown: A → B, their difference with its uncertainty, and the chance level if not None.

    The badge of a clear difference is green for a rise and red for a fall, or blue if more is not better.
    """
    mark, color = ("", "gray") if not found.is_clear else ("▲ ", "green") if found.delta > 0 else ("▼ ", "red")
    if found.is_clear and not more_is_better:
        color = "blue"
    return (
        f":small[{label}, A → B{'' if chance is None else f' · chance {chance:.2f}'}]  \n"
        f"**{found.a:.3f} → {found.b:.3f}** :{color}-badge[{mark}{format_difference(found, 3)}]"
    )
