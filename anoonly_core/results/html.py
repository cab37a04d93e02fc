"""Results as HTML for a notebook: tables and small charts without scripts, styles or other hosts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from anoonly_core.config import RunConfig
from anoonly_core.metrics.ranking import METRICS, Metrics, curves

__all__ = ["run_html", "runs_html", "sweep_html"]

NORMAL, ANOMALY = "#0072B2", "#D55E00"
WIDTH, HEIGHT, GAP = 260, 120, 46  # of a chart, in pixels
BINS = 32
METRIC_NAMES = ("AUCROC", "AUCPR anomaly", "AUCPR normal", "AUCPR normal, published sign")
MAX_POINTS = 200  # of a drawn curve


def run_html(config: RunConfig, metrics: Metrics, y: np.ndarray, scores: np.ndarray) -> str:
    """Render a run as HTML: settings, a table of metrics, and one SVG with score distributions and curves.

    Parameters
    ----------
    config : RunConfig
        Settings of the run.
    metrics : Metrics
        Metrics of the test rows.
    y, scores : np.ndarray
        Labels (1 is an anomaly) and anomaly scores of the test rows, [n].
    """
    settings = ", ".join(
        f"{name} {_text(value)}"
        for name, value in config.model_dump(mode="json").items()
        if value is not None and name != "dataset"
    )
    values = dict(zip(METRIC_NAMES, metrics.as_dict().values(), strict=True))
    head = f"<b>{escape(config.dataset)}</b>, {escape(settings)}"
    table = _table(list(values), [[f"{value:.3f}" for value in values.values()]])
    return f"<div>{head}{table}{_charts(y, scores)}</div>"


def runs_html(configs: Sequence[RunConfig], metrics: Sequence[Metrics]) -> str:
    """Render runs as an HTML table: one row per setting, with the number of runs and mean ± deviation of each metric.

    Runs that differ only in their seed share a row.

    Parameters
    ----------
    configs : sequence of RunConfig
        Settings of the runs.
    metrics : sequence of Metrics
        Metrics of the runs, in the same order.
    """
    groups: dict[tuple[Any, ...], list[Metrics]] = {}
    names = [name for name in RunConfig.model_fields if name != "seed"]
    for config, own in zip(configs, metrics, strict=True):
        groups.setdefault(tuple(getattr(config, name) for name in names), []).append(own)
    varied = [index for index in range(len(names)) if len({key[index] for key in groups}) > 1] or [0]
    rows = [
        [
            *(_text(key[index]) for index in varied),
            str(len(group)),
            *(_spread([getattr(own, name) for own in group]) for name in METRICS),
        ]
        for key, group in groups.items()
    ]
    return _table([*(names[index] for index in varied), "runs", *METRIC_NAMES], rows)


def sweep_html(table: pd.DataFrame) -> str:
    """Render a sweep as an HTML table: one row per point, with mean ± deviation of each metric over its finished runs.

    Failed runs are counted.

    Parameters
    ----------
    table : pandas.DataFrame
        The table of `sweep_table`, one row per run.
    """
    finished = table[table[METRICS[0]].notna()]
    outcome = {"point", "seed", "failure", "key", "train_seconds", *METRICS}
    varied = [name for name in table.columns if name not in outcome and table[name].nunique(dropna=False) > 1]
    rows = []
    for point, group in table.groupby("point", sort=True):
        runs = finished[finished["point"] == point]
        failures = int((group["failure"] != "").sum())
        failed = f" ({failures} failed)" if failures else ""
        spreads = [_spread(runs[name].tolist()) for name in METRICS]
        rows.append([*(_text(group[name].iloc[0]) for name in varied), f"{len(runs)}{failed}", *spreads])
    return _table([*varied, "runs", *METRIC_NAMES], rows)


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table with a header of column names and rows of cells; all texts are escaped."""

    def line(tag: str, cells: Sequence[str]) -> str:
        return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"

    return f"<table>{line('th', columns)}{''.join(line('td', row) for row in rows)}</table>"


def _charts(y: np.ndarray, scores: np.ndarray) -> str:
    """Draw score histogram, ROC curve and precision-recall curve side by side; return one SVG element.

    `y` has the labels of the test rows (1 is an anomaly), `scores` their scores, [n].
    """
    found = curves(y, scores)
    parts = [
        _panel(0, "scores (rank in percent)", _histogram(y, scores)),
        _panel(1, "ROC: true by false positive rate", _line(found.false_positive_rate, found.true_positive_rate)),
        _panel(2, "precision by recall, anomalies", _line(found.true_positive_rate, found.precision_anomaly)),
    ]
    width, height = 3 * WIDTH + 2 * GAP + 2, HEIGHT + 44
    style = 'font-family="sans-serif" font-size="11" fill="currentColor"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="Score distributions, ROC and precision-recall curve" {style}>{"".join(parts)}</svg>'
    )


def _panel(column: int, title: str, content: str) -> str:
    frame = f'<path d="M0 0V{HEIGHT}H{WIDTH}" fill="none" stroke="currentColor" stroke-opacity="0.5"/>'
    ends = f'<text y="{HEIGHT + 14}">0</text><text x="{WIDTH}" y="{HEIGHT + 14}" text-anchor="end">1</text>'
    return (
        f'<g transform="translate({1 + column * (WIDTH + GAP)} 20)"><text y="-7">{escape(title)}</text>'
        f"{content}{frame}{ends if column else ''}</g>"
    )


def _histogram(y: np.ndarray, scores: np.ndarray) -> str:
    """Return SVG bars of a histogram of score ranks for labels 0 and 1, with a legend.

    Each bar is a share of its class. `y` has the labels (1 is an anomaly), `scores` the scores, [n].
    """
    ranks = np.argsort(np.argsort(scores, kind="stable")) / max(len(scores) - 1, 1)
    shares = {}
    for label in (0, 1):
        counts, _ = np.histogram(ranks[y == label], np.linspace(0, 1, BINS + 1))
        shares[label] = counts / max(counts.sum(), 1)
    tallest = max(float(share.max()) for share in shares.values()) or 1.0
    step = WIDTH / BINS
    drawn = []
    for label, color, style in (
        (0, NORMAL, 'fill-opacity="0.6"'),
        (1, ANOMALY, 'fill-opacity="0.25" stroke-width="1.5"'),
    ):
        path = "".join(
            f"M{index * step:.1f} {HEIGHT}v{-HEIGHT * share / tallest:.1f}h{step - 1:.1f}V{HEIGHT}z"
            for index, share in enumerate(shares[label])
            if share
        )
        outline = f'stroke="{color}"' if label else ""
        drawn.append(f'<path d="{path}" fill="{color}" {style} {outline}/>')
    legend = f'<text x="{WIDTH}" y="{HEIGHT + 14}" text-anchor="end">filled: normal, outlined: anomaly</text>'
    return "".join(drawn) + legend


def _line(x: np.ndarray, y: np.ndarray) -> str:
    chosen = np.unique(np.linspace(0, len(x) - 1, MAX_POINTS).astype(int))
    points = " ".join(f"{WIDTH * a:.1f},{HEIGHT * (1 - b):.1f}" for a, b in zip(x[chosen], y[chosen], strict=True))
    return f'<polyline points="{points}" fill="none" stroke="{ANOMALY}" stroke-width="2"/>'
