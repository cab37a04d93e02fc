"""Values of zero-shot runs that count as independent, and the origin of the anomalies in their test batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anoonly_core.zero_shot.class_table import ClassTable
from anoonly_core.zero_shot.config import ZeroShotConfig
from anoonly_core.zero_shot.result import SCORER_LABELS, ZeroShotResult

__all__ = ["describe_test_batches", "independent_values"]


def independent_values(results: Sequence[ZeroShotResult], name: str, point: int) -> tuple[dict[str, list[float]], str]:
    """Return the AUCROC of each scorer by held-out class, or by seed if only one class is held out.

    Seeds of one class share its rows, and classes of one seed share a network, so seeds times classes are not
    independent. A mean over several classes speaks of further classes: its unit is the class, averaged over seeds.

    Parameters
    ----------
    results : sequence of ZeroShotResult
        One result a seed, of the same classes.
    name : str
        "by_ratio" or "by_size".
    point : int
        Index into RATIOS or SIZES.

    Returns
    -------
    values : dict of str to list of float
        Values by name of the scorer, one per class or seed, averaged over draws and over the other of the two.
    unit : str
        "classes" or "seeds".
    """
    areas = np.stack([getattr(result, name)[:, point] for result in results]).astype(np.float64).mean(axis=3)
    by_class = areas.shape[2] > 1
    values = areas.mean(axis=0) if by_class else areas[:, :, 0].T  # [scorers, classes] or [scorers, seeds]
    return dict(zip(SCORER_LABELS, values.tolist(), strict=True)), "classes" if by_class else "seeds"


def describe_test_batches(config: ZeroShotConfig, table: ClassTable) -> str:
    """Describe the rows of the test batches of a config in words, to end a sentence about them.

    The words say if training has seen the classes of normal rows and of anomalies.
    """
    if table.has_class_anomalies:
        return "that are defects of products never seen"
    if len(config.held_out) > 1:
        return "among classes never seen"
    others = [name for name in table.names if name not in config.held_out]
    seen = sum(name in config.meta for name in others)
    if not seen:
        return "among classes never seen"
    trained = "classes that were trained on"
    if seen < len(others):
        trained = f"{len(others)} other classes, {seen} of them trained on"
    return f"in batches of one class never seen, where the anomalies are further rows of {trained}"
