"""Sentences on an uploaded table; text from the user is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anoonly_core.data.split import TEST_SHARE
from anoonly_core.data.tables.schema import TableSchema
from anoonly_core.data.tables.upload_metadata import Upload
from anoonly_core.execution.plan import duration
from anoonly_core.features.encoders.registry import EncoderSpec
from anoonly_core.features.raw_uploads import RawSurvey

from ...text.markdown import escape_markdown

__all__ = [
    "EMPTY",
    "ENCODER_SUMMARIES",
    "encoder_text",
    "first_look_sentence",
    "found_sentence",
    "rate_text",
    "reading_sentences",
    "share_text",
    "table_sentence",
    "time_sentence",
    "unusable_text",
]

EMPTY = (
    "Upload a table, images or texts to check how they are read. Then open them in Compare, Clean and the other pages "
    "like any data set."
)
# Plain descriptions of the features of an encoder; an encoder without one is named only.
ENCODER_SUMMARIES = {
    "pixels": "The picture itself, small and gray",
    "resnet18": "What is in the picture, as in the paper",
    "words": "Which words occur, in any language",
    "minilm-int8": "What a text is about, best in English",
}
MIN_RATE_S = 1.0  # before it nothing is said on the rate
FEW_ANOMALIES = 30
LISTED = 5


def table_sentence(table: Upload) -> str:
    """Return the headline on an uploaded table, in Markdown: its size, its labels, and what is missing to use it.

    Its schema must have been applied.
    """
    assert table.counts is not None
    counts, name = table.counts, escape_markdown(table.file_name)
    is_sample = table.get_schema().rows is not None and counts["rows"] < counts["rows_in_file"]
    of_file = f"a sample of {counts['rows']:,} of {counts['rows_in_file']:,}" if is_sample else f"{counts['rows']:,}"
    rows = f"{of_file} rows of {counts['features']:,} features"
    known = counts["anomalies"] + counts["normals"]
    if not known:
        return f"{name}: {rows} and no label. Label a few anomalies by hand to search for the others."
    if not counts["normals"]:
        return (
            f"{name}: {rows}, {counts['anomalies']:,} of them labeled anomalies and none labeled "
            "normal. It can train a detector, but not test one."
        )
    if not counts["anomalies"]:
        return f"{name}: {rows}, none of them an anomaly. Choose the values that mean anomaly, or label some rows."
    share = f"{counts['anomalies']:,} anomalies, {counts['anomalies'] / known:.1%} of the {known:,} labeled rows"
    return f"{name}: {rows}, {share}."


def found_sentence(table: Upload, survey: RawSurvey) -> str:
    """Return the headline on an archive of images or a table of texts, in Markdown: its rows and their labels."""
    name = escape_markdown(table.file_name)
    if survey.kind == "text":
        columns = ", ".join(escape_markdown(column) for column in survey.columns[:LISTED])
        return f"{name}: {survey.rows:,} rows, with texts in {columns}."
    images = f"{survey.rows:,} image{'' if survey.rows == 1 else 's'}"
    known = [f"{escape_markdown(label)} ({count:,})" for label, count in survey.labels.items() if label]
    if not known:
        return f"{name}: {images} without labels. Put them into one folder for each label, or label some by hand later."
    labels = ", ".join(known) + (f" and {survey.other_labels:,} more" if survey.other_labels else "")
    return f"{name}: {images}, labels {labels}."


def encoder_text(spec: EncoderSpec) -> str:
    """Return what an encoder is, in one line: what it sees, its features, its weights and their license."""
    summary = f"{ENCODER_SUMMARIES[spec.name]}; " if spec.name in ENCODER_SUMMARIES else ""
    features = "" if spec.dimension is None else f"{spec.dimension:,} features; "
    weights = f"weights of {spec.weights_mb:,.0f} MB, {spec.license}" if spec.weights_mb else "no weights"
    return f"{summary}{features}{weights}"


def unusable_text(missing: Mapping[str, str]) -> str:
    """Return a sentence on the encoders that are not usable here, by name with a clause on what is missing.

    Only the first one has its clause, since the sentence stays short.
    """
    (first, what), *others = missing.items()
    also = f"; nor {', '.join(name for name, _ in others)}" if others else ""
    return f"Not usable here: {first} ({what}){also}."


def rate_text(rows: str, done: int, total: int, since_done: int, since_s: float) -> str:
    """Return the progress of making features, such as "300 of 1,000 images, 52 a second, about 14 s left".

    Parameters
    ----------
    rows : str
        Word for the rows, such as "images".
    done, total : int
        Rows done, and all rows.
    since_done : int
        Rows that were done in the last `since_s` seconds.
    since_s : float
        Time in which the rate was measured.
    """
    text = f"{done:,} of {total:,} {rows}"
    if since_done <= 0 or since_s < MIN_RATE_S:
        return text
    rate = since_done / since_s
    shown = f"{rate:,.0f}" if rate >= 3 else f"{rate:.1f}"
    return f"{text}, {shown} a second, about {duration((total - done) / rate)} left"


def share_text(what: str, done: int, total: int, since_done: int, since_s: float) -> str:
    """Return the progress of a job as a share, such as "Reading: 30%, about 7 s left".

    Parameters
    ----------
    what : str
        Text in front, such as "Reading".
    done, total, since_done, since_s
        As in `rate_text`, in any unit.
    """
    text = f"{what}: {done / total:.0%}"
    if since_done <= 0 or since_s < MIN_RATE_S:
        return text
    return f"{text}, about {duration((total - done) * since_s / since_done)} left"


def time_sentence(first_s: float, whole_s: float, seeds: int, rows: int, samples: Sequence[int]) -> str:
    """Return a Markdown sentence on how long Compare takes on a large table, and on smaller samples of its rows.

    Parameters
    ----------
    first_s, whole_s : float
        Seconds until the first seed, and until all seeds, of A and B.
    seeds : int
        Number of seeds.
    rows : int
        Rows of the table that the times are for.
    samples : sequence of int
        Numbers of rows of smaller samples; training takes a time in proportion to the rows.
    """
    sentence = (
        f"**On this machine**, Compare shows its first figures after about {duration(first_s)} and all {seeds} seeds "
        f"after about {duration(whole_s)}."
    )
    if not samples:
        return sentence
    parts = [
        f"{size:,} rows: {duration(first_s * size / rows)} and {duration(whole_s * size / rows)}" for size in samples
    ]
    return f"{sentence} With a sample of {', of '.join(parts)}; choose it under Rows."


def first_look_sentence(first_s: float, whole_s: float, seeds: int, epochs: int, batch_size: int) -> str:
    """Return a Markdown sentence on a first look at a large table, to stand beside its button.

    Parameters
    ----------
    first_s, whole_s, seeds
        As in `time_sentence`, for the first look.
    epochs, batch_size : int
        Its settings.
    """
    return (
        f"All rows with {epochs} epochs of batches of {batch_size}: about {duration(first_s)} and, for all {seeds} "
        f"seeds, {duration(whole_s)}. Its figures are a first impression; then train in full."
    )


def reading_sentences(table: Upload) -> list[str]:
    """Return Markdown sentences on how an uploaded table is read: labels, features, missing values, copies and test.

    Its schema must have been applied.
    """
    assert table.counts is not None
    read, counts = table.get_schema(), table.counts
    parts = [_label(table), _features(table)]
    if table.missing_counts and read.missing == "drop":
        dropped = counts["rows_in_file"] - counts["rows"] - (counts["anomalies_in_file"] - counts["anomalies"])
        how_many = "Rows" if read.rows is not None else f"{dropped:,} rows"
        parts.append(f"**{how_many} were dropped** because a value is missing in {_columns(table)}.")
    elif table.missing_counts:
        parts.append(
            f"**Missing values** in {_columns(table)}: each run replaces numbers by the median of the column in its "
            "training rows; a missing word counts as no word."
        )
    if read.without:
        parts.append(f"**Left out**: {_names(read.without)}.")
    if counts["copies"]:
        parts.append(
            f"**{counts['copies']:,} rows are copies** of others. Copies of a row stay on one side of the split, so "
            "that no row is tested on that was trained on."
        )
    if table.can_be_tested:
        parts.append(_about_the_test(counts["anomalies"]))
        parts += _about_splits(read)
    return parts


def _about_splits(schema: TableSchema) -> list[str]:
    """Return a Markdown sentence for each protocol beside the random split that the schema of a table allows."""
    ways = {
        "test_file": "**Test file**: the protocol test_file trains on this table and tests on the other.",
        "by_time": f"**Time column {escape_markdown(schema.time or '')}**: the protocol by_time trains on the past and "
        f"tests on the latest {TEST_SHARE:.0%} of the labeled rows.",
        "by_group": f"**Group column {escape_markdown(schema.group or '')}**: the protocol by_group has no entity in "
        "training and test alike.",
    }
    return [ways[protocol] for protocol in schema.protocols]


def _label(table: Upload) -> str:
    counts, read = table.counts, table.get_schema()
    assert counts is not None
    if not table.label_column:
        return "**No label column**: no row is known to be anomalous or normal."
    values = read.anomaly or read.normal or ("1",)
    side = "anomaly" if read.anomaly or not read.normal else "normal, everything else anomaly"
    sentence = f"**Label column {escape_markdown(table.label_column)}**: {_names(values)} means {side}; "
    sentence += f"{counts['anomalies_in_file']:,} anomalies, {counts['normals']:,} normal rows"
    if counts["unlabelled"]:
        sentence += f", {counts['unlabelled']:,} without a label, which train in the pool and are never tested"
    if counts["anomalies_in_file"] > counts["anomalies"]:
        sentence += f". {counts['anomalies']:,} of the anomalies are sampled with a fixed seed"
    return f"{sentence}."


def _features(table: Upload) -> str:
    columns = table.get_preprocessing().columns
    words = [column for column in columns if column.words is not None]
    dates = [column for column in columns if column.date is not None]
    hashed = [column for column in columns if column.buckets is not None]
    numbers = len(columns) - len(words) - len(dates) - len(hashed)
    sentence = f"**{numbers:,} columns of numbers** as they are"
    for kind, part in (
        ("of words as {} features of 0 and 1", words),
        ("of dates as {} numbers", dates),
        ("of many words hashed to {} features of 0 and 1", hashed),
    ):
        if part:
            made = sum(len(column.features) for column in part)
            sentence += f", {len(part):,} {kind.format(f'{made:,}')}: {_names([item.name for item in part])}"
    return f"{sentence}."


def _about_the_test(anomalies: int) -> str:
    tested = max(1, round(anomalies * TEST_SHARE))
    sentence = f"A run trains on 70 % of the labeled rows and is tested on the rest, with about {tested:,} anomalies."
    if anomalies < FEW_ANOMALIES:
        sentence += " **That is few**: check the interval over the seeds before you trust a difference."
    return sentence


def _columns(table: Upload) -> str:
    filled = dict(sorted((table.missing_counts or {}).items(), key=lambda item: -item[1]))
    cells = [f"{escape_markdown(name)} ({count:,})" for name, count in list(filled.items())[:LISTED]]
    return ", ".join(cells) + (f" and {len(filled) - LISTED} more columns" if len(filled) > LISTED else "")


def _names(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(escape_markdown(name) for name in names[:LISTED]) + more
