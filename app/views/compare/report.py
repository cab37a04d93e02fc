"""A comparison as one HTML file: its sentence, its figures, and all that is needed to make it again; works offline."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import plotly.graph_objects as go

from anoonly_core import __version__
from anoonly_core.config import RULES, RunConfig
from anoonly_core.data.catalogue import FileEntry, UploadEntry, find
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.tables.schema import TableSchema
from anoonly_core.metrics.ranking import chance_levels
from anoonly_core.results.result import RunResult
from anoonly_core.snippets import run_command, source_file
from app.charts import runs as charts
from app.charts.pair import (
    FIGURE_DESCRIPTIONS,
    PROJECTION_CAVEAT,
    Pair,
    published_sign_sentence,
    split_sentence,
    training_sentences,
)
from app.charts.style import MODEBAR
from app.text.labels import METRIC_LABELS
from app.text.verdict import describe_run, format_difference, paired_differences, verdict

__all__ = ["ReportInput", "report_html"]

WIDTH = 1000  # of a figure: a landscape page's
# The file may ask nothing of anybody, whatever stands in it.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
STYLE = """
@page { size: A4 landscape; margin: 12mm }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: white; max-width: 1000px; margin: 24px auto;
  padding: 0 16px }
h1 { font-size: 24px; margin: 0 0 4px } h2 { font-size: 18px; margin: 32px 0 8px; break-after: avoid }
p.lead { font-size: 18px } p.small, figcaption { color: #555; font-size: 13px }
table { border-collapse: collapse; margin: 8px 0 } td, th { border: 1px solid #ccc; padding: 3px 10px; text-align: left;
  overflow-wrap: anywhere }
td.number { text-align: right; font-variant-numeric: tabular-nums }
tr.apart td { background: #f2f2f2; font-weight: 600 }
pre { background: #f6f6f6; padding: 8px 12px; white-space: pre-wrap; overflow-wrap: anywhere }
figure { margin: 16px 0 24px; break-inside: avoid } table, pre { break-inside: avoid }
@media print { body { margin: 0; padding: 0 } }
"""


@dataclass(frozen=True, eq=False)
class ReportInput:
    """What the Compare page shows.

    a, b: the runs, seed by seed. pair: the first seed's, at the threshold. maps: what the projection is called, and
    the maps.
    """

    a: Sequence[RunResult]
    b: Sequence[RunResult]
    dataset: Dataset
    pair: Pair
    maps: Callable[[], tuple[str, list[charts.RowMap]]]


def report_html(findings: ReportInput, made: datetime) -> str:
    """The report. Every word in it that a user could have written is escaped."""
    a, b = findings.a[0].config, findings.b[0].config
    found = paired_differences(findings.a, findings.b)
    seeds = [run.config.seed for run in findings.b]
    parts = [
        f'<p class="lead">{_marked(verdict(a, b, found["aucpr_anomaly"], len(seeds)))}</p>',
        _heading("What came out"),
        _metrics(findings),
        _small(
            f"Means over {_count(len(seeds), 'seed')} ({', '.join(map(str, seeds))}). ± is the 95 % interval of the "
            "mean paired difference; chance is what scores without any skill get. A score is not a probability."
        ),
        _heading("The figures"),
        _small(f"They show the first seed, {seeds[0]}."),
        *_figures(findings),
        _heading("The settings"),
        _table(["", "A", "B"], _settings(a, b)),
        _heading("The data"),
        _table([], _data(b.dataset, findings.dataset)),
        _heading("To make it again"),
        *(_command(letter, config, len(seeds)) for letter, config in (("A", a), ("B", b))),
        _small(f"Made by anoonly {__version__} on {made:%Y-%m-%d %H:%M %Z}."),
    ]
    title = f"{describe_run(b, a)} beside {describe_run(a, b)}"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{html.escape(title)}</h1>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def _metrics(findings: ReportInput) -> str:
    chance = chance_levels(findings.pair.b.y_test)
    rows = [
        [METRIC_LABELS[name], f"{own.a:.3f}", f"{own.b:.3f}", format_difference(own, 3), f"{chance[name]:.2f}"]
        for name, own in paired_differences(findings.a, findings.b).items()
    ]
    return _table(["", "A", "B", "B − A", "chance"], rows, numbers=True)


def _figures(findings: ReportInput) -> Iterable[str]:
    """Each figure with its sentence; the first one brings Plotly along for all."""
    pair = findings.pair
    # A file's own name stands below, in the table of the data, where nothing reads it as Markdown.
    name = pair.b.config.dataset if source_file(pair.b.config.dataset) is None else "the table"
    projection, panels = findings.maps()
    little = "" if projection == "PCA" else f" {PROJECTION_CAVEAT}"
    drawn: list[tuple[go.Figure, str]] = [
        (
            pair.scores(),
            f"{FIGURE_DESCRIPTIONS['scores']} It stands {pair.threshold:g} interquartile ranges above the median.",
        ),
        (charts.points_figure(panels), f"{FIGURE_DESCRIPTIONS['points']} By {projection}.{little}"),
        (pair.curves(), f"{FIGURE_DESCRIPTIONS['curves']} {published_sign_sentence(pair.a, pair.b)}"),
        (pair.confusion(), FIGURE_DESCRIPTIONS["confusion"]),
    ]
    trained = " ".join(training_sentences(pair.a, pair.b))
    if pair.has_history:
        drawn.append((pair.history(), f"{FIGURE_DESCRIPTIONS['history']} {trained}"))
    for letters, run in pair.splits.items():
        sentence = f"{FIGURE_DESCRIPTIONS['split'].format(letters=letters)} {split_sentence(letters, run, name)}"
        drawn.append((charts.split_figure(run.counts), sentence))
    for number, (figure, sentence) in enumerate(drawn):
        figure.update_layout(template="plotly_white", width=WIDTH, dragmode=False)
        body = figure.to_html(
            full_html=False, include_plotlyjs=number == 0, config=MODEBAR, div_id=f"figure_{number + 1}"
        )
        yield f"<figure>{body}<figcaption>{_marked(sentence)}</figcaption></figure>"
    if not pair.has_history:
        yield _small(trained)
    yield _small("Unlabeled is not normal: the pool holds whatever nobody has looked at.")


def _settings(a: RunConfig, b: RunConfig) -> Iterable[list[str]]:
    for name in RULES:
        if name not in ("dataset", "seed"):
            yield [name, *("–" if (value := getattr(own, name)) is None else str(value) for own in (a, b))]


def _data(name: str, dataset: Dataset) -> Iterable[list[str]]:
    """Where the rows come from; of a user's own file also how it was read."""
    entry, schema = find(name), TableSchema()
    if isinstance(entry, UploadEntry):
        yield ["file", entry.upload.file_name]
        schema = entry.upload.get_schema()
    elif isinstance(entry, FileEntry):
        yield ["file", entry.path.name]
        schema = entry.schema
    else:
        where = dataset.provenance
        yield ["data set", name]
        yield ["from", ", ".join(filter(None, (where.source, where.note)))]
        yield ["license", where.license]
    for key, value in schema.model_dump(exclude_defaults=True).items():
        yield [f"read by {key}", ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    known = dataset.y[dataset.known]
    unlabeled = dataset.rows - len(known)
    yield ["rows", str(dataset.rows)]
    yield ["features", str(dataset.columns)]
    yield ["anomalies", f"{int((known == 1).sum())} ({dataset.anomaly_share:.1%})"]
    if unlabeled:
        yield ["rows without a label", str(unlabeled)]


def _command(letter: str, config: RunConfig, seeds: int) -> str:
    more = f" --seeds {seeds}" if seeds > 1 else ""
    return f"<p><strong>{letter}</strong></p><pre>{html.escape(run_command(config) + more)}</pre>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: bool = False) -> str:
    """A table of plain words; a row whose A and B differ stands out."""
    lines = []
    if head:
        lines.append("<tr>" + "".join(f"<th>{html.escape(word)}</th>" for word in head) + "</tr>")
    kind = ' class="number"' if numbers else ""
    for first, *others in rows:
        apart = ' class="apart"' if not numbers and len(others) == 2 and others[0] != others[1] else ""
        cells = "".join(f"<td{kind}>{html.escape(word)}</td>" for word in others)
        lines.append(f"<tr{apart}><td>{html.escape(first)}</td>{cells}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _heading(words: str) -> str:
    return f"<h2>{html.escape(words)}</h2>"


def _small(words: str) -> str:
    return f'<p class="small">{_marked(words)}</p>'


def _marked(markdown: str) -> str:
    """One of the page's sentences, escaped, with what is bold in it."""
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(markdown))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
