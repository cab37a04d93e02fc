"""A comparison as one HTML file that works offline: headline, figures, settings and the commands to repeat it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

import numpy as np
import plotly.graph_objects as go

from anoonly_core import __version__
from anoonly_core.config import RULES, RunConfig
from anoonly_core.data.catalogue import FileEntry, UploadEntry, find
from anoonly_core.data.dataset import Dataset
from anoonly_core.data.tables.schema import TableSchema
from anoonly_core.errors import InvalidConfig
from anoonly_core.metrics.ranking import chance_levels
from anoonly_core.results.result import RunResult
from anoonly_core.snippets import portable_schema, run_command, source_file

from ...charts import runs as charts
from ...charts.pair import (
    FIGURE_DESCRIPTIONS,
    PROJECTION_CAVEAT,
    UNLABELED_NOTE,
    Pair,
    published_sign_sentence,
    split_sentence,
    training_sentences,
)
from ...charts.pictures import row_cell
from ...charts.style import MODEBAR
from ...controls.choice import compare_parameters
from ...controls.isolation import isolations
from ...text.citations import ANOONLY
from ...text.labels import METRIC_LABELS, SETTING_LABELS, option_label
from ...text.verdict import conditions_line, describe_run, format_difference, paired_differences, verdict

__all__ = ["ReportInput", "report_html"]

LISTED_ROWS, PICTURE = 20, 96  # rows in the table of the highest, pixels of their pictures
WIDTH = 1000  # of a figure in pixels, for a landscape page
# The file makes no network request, whatever its content.
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
a { color: #0b5cad; overflow-wrap: anywhere }
pre { background: #f6f6f6; padding: 8px 12px; white-space: pre-wrap; overflow-wrap: anywhere }
figure { margin: 16px 0 24px; break-inside: avoid } table, pre { break-inside: avoid }
td figure { margin: 0 } td figcaption, td small { font-size: 12px } .row-words p { margin: 0; white-space: pre-wrap }
@media print { body { margin: 0; padding: 0 } }
"""


@dataclass(frozen=True, eq=False)
class ReportInput:
    """Content of the Compare page, from which its report is made.

    Attributes
    ----------
    a, b : sequence of RunResult
        Finished runs, seed by seed.
    dataset : Dataset
        Data set of the runs.
    pair : Pair
        The runs of the first seed at the threshold on show.
    maps : callable
        Returns the name of the projection and the maps of input features and of hidden features of A and B.
    address : str
        The address of the page, with its settings; "" if it has none.
    """

    a: Sequence[RunResult]
    b: Sequence[RunResult]
    dataset: Dataset
    pair: Pair
    maps: Callable[[], tuple[str, list[charts.RowMap]]]
    address: str = ""


def report_html(report: ReportInput, created: datetime) -> str:
    """Return the report of a comparison as one HTML page that works offline; the text of users is escaped.

    Parameters
    ----------
    report : ReportInput
        The content of the page.
    created : datetime
        Time of the report, with a time zone.
    """
    a, b = report.a[0].config, report.b[0].config
    differences = paired_differences(report.a, report.b)
    seeds = [run.config.seed for run in report.b]
    chance = chance_levels(report.pair.b.y_test)["aucpr_anomaly"]
    parts = [
        f'<p class="lead">{_to_html(verdict(a, b, differences["aucpr_anomaly"], len(seeds), chance))}</p>',
        f'<p class="small">{html.escape(conditions_line(a, b, report.pair.b.counts, seeds))}</p>',
        *_isolations(report),
        _heading("Results"),
        _metrics(report),
        _small(
            f"Means over {_count(len(seeds), 'seed')} ({', '.join(map(str, seeds))}). ± is the 95 % interval of the "
            "mean paired difference; chance is the value of random scores. A score is not a probability."
        ),
        _heading("Figures"),
        _small(f"All figures show the first seed, {seeds[0]}."),
        *_figures(report),
        *_highest_rows(report),
        _heading("Settings"),
        _table(["", "A", "B"], _settings(a, b)),
        _heading("Data"),
        _table([], _data(b.dataset, report.dataset)),
        _heading("Commands"),
        *(_command(letter, config, len(seeds)) for letter, config in (("A", a), ("B", b))),
        _heading("Source"),
        *_source(report.address),
        _small(f"Made by anoonly {__version__} on {created:%Y-%m-%d %H:%M %Z}."),
    ]
    title = f"{describe_run(b, a)} beside {describe_run(a, b)}"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{html.escape(title)}</h1>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def _isolations(report: ReportInput) -> Iterable[str]:
    """Yield one HTML paragraph with links to comparisons in which one of the differing settings differs alone.

    Yields nothing if A and B differ in fewer than two settings, or the page has no address.
    """
    a, b = report.a[0].config, report.b[0].config
    page = report.address.split("?")[0]
    links = []
    for offer in isolations(a, b) if page else ():
        with suppress(InvalidConfig):  # Compare cannot show every data set
            parameters = compare_parameters(b, offer.only, len(report.b))
            links.append(_link(f"{page}?{urlencode(parameters)}", f"vary only {offer.label}"))
    if links:
        yield f'<p class="small">One thing at a time: {", ".join(links)}.</p>'


def _source(address: str) -> Iterable[str]:
    """Yield HTML paragraphs: a link to the page at this address, unless it is "", and the paper to cite."""
    if address:
        yield f'<p class="small">This comparison: {_link(address, address)}</p>'
    yield f'<p class="small">The method: {html.escape(ANOONLY.full)} {_link(ANOONLY.url, ANOONLY.url)}</p>'


def _link(url: str, text: str) -> str:
    """Return an HTML link, or the escaped text alone if the URL is not http or https."""
    if not url.startswith(("http://", "https://")):
        return html.escape(text)
    return f'<a href="{html.escape(url)}">{html.escape(text)}</a>'


def _metrics(report: ReportInput) -> str:
    chance = chance_levels(report.pair.b.y_test)
    rows = [
        [
            METRIC_LABELS[name],
            f"{difference.a:.3f}",
            f"{difference.b:.3f}",
            format_difference(difference, 3),
            f"{chance[name]:.2f}",
        ]
        for name, difference in paired_differences(report.a, report.b).items()
    ]
    return _table(["", "A", "B", "B − A", "chance"], rows, numbers=True)


def _figures(report: ReportInput) -> Iterable[str]:
    """Yield each figure of the report as HTML with its caption; the first one embeds Plotly for all. Notes follow."""
    pair = report.pair
    # The name of a user's file is only in the table of the data, where it is not read as Markdown.
    name = pair.b.config.dataset if source_file(pair.b.config.dataset) is None else "the table"
    projection, panels = report.maps()
    caveat = "" if projection == "PCA" else f" {PROJECTION_CAVEAT}"
    figures: list[tuple[go.Figure, str]] = [
        (
            pair.scores(),
            f"{FIGURE_DESCRIPTIONS['scores']} {pair.threshold_sentence}",
        ),
        (charts.points_figure(panels), f"{FIGURE_DESCRIPTIONS['points']} By {projection}.{caveat}"),
        (pair.curves(), f"{FIGURE_DESCRIPTIONS['curves']} {published_sign_sentence(pair.a, pair.b)}"),
        (pair.confusion(), FIGURE_DESCRIPTIONS["confusion"]),
    ]
    training = " ".join(training_sentences(pair.a, pair.b))
    if pair.has_history:
        figures.append((pair.history(), f"{FIGURE_DESCRIPTIONS['history']} {training}"))
    for letters, run in pair.splits.items():
        sentence = f"{FIGURE_DESCRIPTIONS['split'].format(letters=letters)} {split_sentence(letters, run, name)}"
        figures.append((charts.split_figure(run.counts, run.config.seed), sentence))
    for number, (figure, sentence) in enumerate(figures):
        figure.update_layout(template="plotly_white", width=WIDTH, dragmode=False)
        body = figure.to_html(
            full_html=False, include_plotlyjs=number == 0, config=MODEBAR, div_id=f"figure_{number + 1}"
        )
        yield f"<figure>{body}<figcaption>{_to_html(sentence)}</figcaption></figure>"
    if not pair.has_history:
        yield _small(training)
    yield _small(UNLABELED_NOTE)


def _highest_rows(report: ReportInput) -> Iterable[str]:
    """Yield a table of the test rows with the highest scores of B, with their pictures or words, if they have them."""
    pair, dataset = report.pair, report.dataset
    if dataset.previews is None:
        return
    yield _heading(f"The {LISTED_ROWS} test rows with the highest scores of B")
    yield "<table><tr><th>row</th><th></th><th>label</th><th>score A</th><th>score B</th></tr>"
    for index in np.argsort(-pair.b.scores, kind="stable")[:LISTED_ROWS]:
        row_id = int(dataset.row_ids[pair.b.test_rows[index]])
        cell, label = row_cell(dataset, row_id), "anomaly" if pair.b.y_test[index] else "normal"
        scores = "".join(f'<td class="number">{run.scores[index]:.4g}</td>' for run in (pair.a, pair.b))
        yield f"<tr><td>{row_id}</td><td>{cell.card(PICTURE) if cell else ''}</td><td>{label}</td>{scores}</tr>"
    yield "</table>"


def _settings(a: RunConfig, b: RunConfig) -> Iterable[list[str]]:
    """Yield the name of each setting but data set and seed, and its value in A and in B, all as text."""
    for name in RULES:
        if name not in ("dataset", "seed"):
            values = (getattr(config, name) for config in (a, b))
            yield [SETTING_LABELS[name], *("–" if value is None else option_label(name, value) for value in values)]


def _data(name: str, dataset: Dataset) -> Iterable[list[str]]:
    """Yield facts about a data set as pairs of label and text: origin, license, size, and the schema of a user's file.

    `name` is the name of the data set.
    """
    entry, schema = find(name), TableSchema()
    if isinstance(entry, UploadEntry):
        yield ["file", entry.upload.file_name]
        schema = portable_schema(entry.upload)
    elif isinstance(entry, FileEntry):
        yield ["file", entry.path.name]
        schema = entry.schema
    if dataset.previews is not None:
        yield ["holds", dataset.previews.about.origin]
    if not isinstance(entry, UploadEntry | FileEntry):
        provenance = dataset.provenance
        yield ["data set", name]
        yield ["from", ", ".join(filter(None, (provenance.source, provenance.note)))]
        yield ["license", provenance.license]
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
    """Return HTML with the shell command that repeats a run over consecutive seeds.

    Parameters
    ----------
    letter : str
        "A" or "B".
    config : RunConfig
        The run of the first seed.
    seeds : int
        Number of seeds.
    """
    seeds_option = f" --seeds {seeds}" if seeds > 1 else ""
    return f"<p><strong>{letter}</strong></p><pre>{html.escape(run_command(config) + seeds_option)}</pre>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: bool = False) -> str:
    """Return an HTML table; the text of all cells is escaped.

    Parameters
    ----------
    head : sequence of str
        Column headings; empty for none.
    rows : iterable of sequence of str
        The cells of each row, with its name first.
    numbers : bool
        True to align cells as numbers. False also highlights rows whose two cells, of A and B, differ.
    """
    lines = []
    if head:
        lines.append("<tr>" + "".join(f"<th>{html.escape(word)}</th>" for word in head) + "</tr>")
    cell_class = ' class="number"' if numbers else ""
    for first, *others in rows:
        row_class = ' class="apart"' if not numbers and len(others) == 2 and others[0] != others[1] else ""
        cells = "".join(f"<td{cell_class}>{html.escape(word)}</td>" for word in others)
        lines.append(f"<tr{row_class}><td>{html.escape(first)}</td>{cells}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _heading(text: str) -> str:
    return f"<h2>{html.escape(text)}</h2>"


def _small(markdown: str) -> str:
    return f'<p class="small">{_to_html(markdown)}</p>'


def _to_html(markdown: str) -> str:
    """Escape a Markdown sentence for HTML and convert its bold parts; other Markdown stays as text."""
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(markdown))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
