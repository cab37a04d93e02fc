"""Controls for the schema of an uploaded table: label column, anomaly values, split, features and missing values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial

import streamlit as st

from anoonly_core.data.tables.columns import DATE, TEXT, ColumnProfile
from anoonly_core.data.tables.encoding import ENCODINGS
from anoonly_core.data.tables.files import ReadOptions
from anoonly_core.data.tables.label_candidates import shown_counts
from anoonly_core.data.tables.number_styles import Decimal, read_number
from anoonly_core.data.tables.preprocessing import BUCKETS
from anoonly_core.data.tables.profile import TableProfile, suggest_anomalies, suggest_schema
from anoonly_core.data.tables.schema import NO_LABEL, TableSchema, make_schema
from anoonly_core.data.tables.upload_metadata import Upload

from ...server.table_owners import visible_uploads
from ...text.markdown import escape_markdown

__all__ = ["LARGE_ROWS", "SAMPLES", "draw_file_options", "draw_reading"]

NO_LABEL_TEXT = "no label column"
LARGE_ROWS = 20_000  # above which a sample is offered
SAMPLES = (5_000, 10_000, 20_000, 50_000)  # rows
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
ALL = "all"
HEADERS = {"yes": "names of the columns", "no": "a row"}
CATEGORIES = {"one_hot": "a feature for each word", "leave_out": "left out"}
LEAVE_OUT = "leave_out"
DATES = {LEAVE_OUT: "left out", "parts": "days, hour, weekday, month"}
MANY = {LEAVE_OUT: "left out", "hash": f"hashed to {BUCKETS} features"}
MISSING = {"impute": "the column's median", "drop": "drop the row"}


def draw_file_options(table: Upload, read: ReadOptions, sheets: tuple[str, ...]) -> ReadOptions:
    """Draw the choices on how the file of an upload is read, and return them; None where the file decides.

    Parameters
    ----------
    table : Upload
        The uploaded table.
    read : ReadOptions
        The options with which the file was first read; None where its format has no such option.
    sheets : tuple of str
        Names of the sheets of a spreadsheet.
    """
    begun, chosen = table.get_schema().read_options, dict[str, str]()
    choices: dict[str, tuple[str, Mapping[str, str]]] = {
        "sheet": ("Sheet", dict(zip(sheets, sheets, strict=True))),
        "encoding": ("Encoding", ENCODINGS),
        "header": ("First line", HEADERS),
    }
    choices = {name: choice for name, choice in choices.items() if getattr(read, name) and len(choice[1]) > 1}
    if not choices:
        return begun
    shown = [f"{title.lower()}: {_text(texts, getattr(read, name))}" for name, (title, texts) in choices.items()]
    is_asked = len(sheets) > 1 or read.header == "no" or not (read.encoding or "utf").startswith("utf")
    with st.expander(f"File – {escape_markdown(', '.join(shown))}", expanded=is_asked):
        columns = st.columns(len(choices))
        for place, (name, (title, texts)) in zip(columns, choices.items(), strict=True):
            current = getattr(begun, name) or getattr(read, name)
            values = [current, *(value for value in texts if value != current)]
            text = partial(_text, texts)
            chosen[name] = place.selectbox(title, values, format_func=text, key=_key(table, name))
    settled = {name: value for name, value in chosen.items() if value != getattr(read, name) or getattr(begun, name)}
    return ReadOptions(**{**asdict(begun), **settled})


def _text(texts: Mapping[str, str], value: str) -> str:
    return texts.get(value, value)


def draw_reading(table: Upload, profile: TableProfile, options: ReadOptions) -> TableSchema:
    """Draw the controls for the schema of an uploaded table, and return the schema that they choose.

    They begin with the table's schema, or with a suggestion if none has been applied yet.

    Parameters
    ----------
    table : Upload
        The uploaded table.
    profile : TableProfile
        What was found in its columns.
    options : ReadOptions
        The choices on how the file is read.
    """
    begun = table.get_schema() if table.counts is not None else suggest_schema(profile)
    chosen = _label(table, profile, begun)
    read = {name: value for name, value in asdict(options).items() if name in TableSchema.model_fields}
    values: dict[str, object] = {"label": chosen, **read}
    if chosen:
        values |= _draw_anomaly_values(table, profile, chosen, begun)
    if profile.rows > LARGE_ROWS:
        values["rows"] = _draw_rows(table, profile.rows, begun)
    split = _draw_split(table, profile, chosen, begun)
    values |= split
    if profile.open_decimals:
        values["decimal"] = _draw_decimal(table, profile, begun)
    used = [column for column in profile.columns if column.name != chosen]
    dates = [column for column in used if column.kind == DATE]
    texts = [column for column in used if column.kind == TEXT and column.count <= profile.rows / 2]
    values |= _draw_many(table, dates, texts, begun)
    others = [column.name for column in used if column not in (*dates, *texts)]
    left_out = _multiselect(
        *(table, "without", "Columns to leave out", others),
        [name for name in begun.without if name != chosen],
        help="Numbers that name a row, free text and the like. "
        + " ".join(f"{escape_markdown(own.name)} {escape_markdown(own.fault)}." for own in used if not own.usable)[
            :600
        ],
    )
    left_out += [column.name for column in dates if values.get("dates") is None]
    left_out += [column.name for column in texts if values.get("many") is None]
    values["without"] = tuple(column.name for column in used if column.name in left_out)
    no_features = {chosen, *left_out, split["time"], split["group"]}
    unlike_features = dict.fromkeys((*profile.identifiers, *profile.other_labels(chosen)))
    values["keep"] = tuple(name for name in unlike_features if name not in no_features)
    features = [column for column in used if column.name not in no_features and _is_taken(column)]
    if words := [column for column in features if column.words]:
        values["categories"] = _segmented(
            table,
            "categories",
            f"Columns of words ({len(words)})",
            CATEGORIES,
            begun.categories,
            f"{_example(words)}: a feature of 0 and 1 for each word, or nothing.",
        )
    if lacking := [column for column in features if column.missing]:
        cells = sum(column.missing for column in lacking)
        values["missing"] = _segmented(
            table,
            "missing",
            f"Missing values ({cells:,} in {len(lacking)} columns)",
            MISSING,
            begun.missing,
            "Most are missing in " + ", ".join(_counted(sorted(lacking, key=lambda own: -own.missing))) + ".",
        )
    return make_schema(values)


def _is_taken(column: ColumnProfile) -> bool:
    return column.usable or column.can_be_words or column.kind in (DATE, TEXT)


def _draw_many(
    table: Upload, dates: list[ColumnProfile], texts: list[ColumnProfile], begun: TableSchema
) -> dict[str, str | None]:
    """Draw the use of columns of dates and of columns with many words, and return both as fields of the schema.

    Parameters
    ----------
    table : Upload
        The uploaded table.
    dates, texts : list of ColumnProfile
        Columns of dates, and of more words than can be a feature each.
    begun : TableSchema
        The schema that the controls begin with.
    """
    chosen: dict[str, str | None] = {}
    for name, columns, title, options, help in (
        ("dates", dates, "Dates", DATES, "Days since the first date, hour, weekday and month, as far as they vary."),
        ("many", texts, "Many words", MANY, f"Each word is hashed to one of {BUCKETS} features of 0 and 1."),
    ):
        if columns:
            shown = f"{_names([column.name for column in columns])}: {help}"
            first = getattr(begun, name) or LEAVE_OUT
            choice = _segmented(table, name, f"{title} ({len(columns)})", options, first, shown)
            chosen[name] = None if choice == LEAVE_OUT else choice
    return chosen


def _draw_decimal(table: Upload, profile: TableProfile, begun: TableSchema) -> str | None:
    """Draw the question for the decimal sign of columns that can be read with either one, and return the answer."""
    name, first = next(iter(profile.open_decimals.items()))
    signs: tuple[Decimal, ...] = ("point", "comma")
    return _segmented(
        table,
        "decimal",
        escape_markdown(f"{first.example} in {name} means"),
        {sign: read_number(first.example, sign) for sign in signs},
        begun.decimal or first.likely,
        f"All cells of {_names([*profile.open_decimals])} can be read in both ways: with a decimal sign, or with a "
        "sign that separates thousands.",
    )


def _names(names: list[str]) -> str:
    return escape_markdown(", ".join(names[:4])) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _label(table: Upload, profile: TableProfile, begun: TableSchema) -> str:
    ranked = {candidate.name: candidate for candidate in profile.label_candidates}
    options = [*ranked, NO_LABEL, *(name for name in profile.values if name not in ranked)]
    texts = {NO_LABEL: NO_LABEL_TEXT} | {name: f"{name} ({shown_counts(column)})" for name, column in ranked.items()}
    plausible = [column for column in ranked.values() if column.is_plausible]
    chosen = str(
        st.selectbox(
            "Label column",
            options,
            index=options.index(begun.label) if begun.label in options else options.index(NO_LABEL),
            format_func=lambda name: texts.get(name, name),
            key=_key(table, "label"),
            help="Its values tell which rows are anomalies. A row with a blank value is unlabeled, not normal.",
        )
    )
    if len(plausible) > 1:
        listed = ", ".join(f"**{escape_markdown(column.name)}**" for column in plausible[:4])
        st.caption(f"Several columns may be labels: {listed}. Choose one; the others with two values are left out.")
    return chosen


def _draw_anomaly_values(table: Upload, profile: TableProfile, column: str, begun: TableSchema) -> dict[str, object]:
    """Draw the choices of the anomaly values and the share of anomalies, and return both as fields of the schema.

    Parameters
    ----------
    table : Upload
        The uploaded table.
    profile : TableProfile
        What was found in its columns.
    column : str
        The label column.
    begun : TableSchema
        The schema that the controls begin with.
    """
    values = {value: count for value, count in profile.values[column].items() if value}
    first = begun.anomaly if begun.label == column else suggest_anomalies(values)
    anomalies = _multiselect(
        *(table, f"anomaly {column}", "Anomaly values", list(values)),
        [value for value in first if value in values],
        format_func=lambda value: f"{value} ({values[value]:,} rows)",
        help="All other values mean normal. With several classes, choose one against the rest.",
    )
    counted = sum(values[value] for value in anomalies)
    natural = counted / max(sum(values.values()), 1)
    options = [None, *(share for share in SHARES if share < natural)]
    begun_share = begun.share if begun.share in options else None
    share = st.selectbox(
        "Share of anomalies",
        options,
        index=options.index(begun_share),
        format_func=lambda own: f"{ALL} ({natural:.1%})" if own is None else f"sampled to {own:.0%}",
        key=_key(table, f"share {column} {natural:.4f}"),
        help="Share of the labeled rows. The paper samples anomalies to 5 %; the sample is always the same.",
    )
    return {"anomaly": tuple(anomalies), "share": share}


def _draw_rows(table: Upload, rows: int, begun: TableSchema) -> int | None:
    """Draw the offer of a sample of a large table, and return its number of rows; None for all of them.

    `rows` are those of the file, `begun` is the schema that the controls begin with.
    """
    options = [None, *(size for size in SAMPLES if size <= rows / 2)]
    chosen: int | None = st.selectbox(
        "Rows",
        options,
        index=options.index(begun.rows) if begun.rows in options else 0,
        format_func=lambda size: f"{ALL} ({rows:,})" if size is None else f"sample of {size:,}",
        key=_key(table, "rows"),
        help="A sample keeps all labeled anomalies and draws the other rows; it is always the same. Use it for a first "
        "look, then all rows: anomalies are more frequent in a sample, so its AUCPR is another.",
    )
    return chosen


def _draw_split(table: Upload, profile: TableProfile, label: str, begun: TableSchema) -> dict[str, str | None]:
    """Draw the choices of a time column, a group column and a test file; return them as fields of the schema.

    The parameters are those of `_draw_anomaly_values`; `label` is the label column.
    """
    others = {other.name: other.file_name for other in visible_uploads() if _may_be_test(other, table)}
    columns = [column for column in profile.columns if column.name != label]
    chosen = bool(begun.protocols)
    _offer_splits(table, profile, label)
    with st.expander("Split by time, group or test file", expanded=chosen, key=_key(table, "split")):
        return {
            "time": _optional(
                *(table, "time", "Time column", [column.name for column in columns if column.can_be_time], begun.time),
                help="Dates or numbers. The protocol by_time trains on the past and tests on the latest rows.",
            ),
            "group": _optional(
                *(table, "group", "Group column", [column.name for column in columns], begun.group),
                help="Names an entity, such as a customer. The protocol by_group tests on entities that training "
                "lacks. A blank cell is an entity of its own.",
            ),
            "test": _optional(
                *(table, "test", "Test file", list(others), begun.test),
                help="Another table of yours with the same columns: upload it first. The protocol test_file tests on "
                "its rows.",
                format_func=others.__getitem__,
            ),
        }


def _may_be_test(other: Upload, table: Upload) -> bool:
    """Return True if another upload may be the test file of a table; an archive of images may not."""
    return other.name != table.name and (other.suffix != ".zip" or other.counts is not None)


def _offer_splits(table: Upload, profile: TableProfile, label: str) -> None:
    """Draw a question for the first time and the first group column, with a button that chooses it."""
    for what, names, fact in (
        ("time", profile.times, "tells the time: train on the past?"),
        ("group", profile.groups, "names entities with several rows: keep each on one side?"),
    ):
        key = _key(table, what)
        name = next((name for name in names if name != label), None)
        if name is None or st.session_state.get(key, getattr(table.get_schema(), what)) is not None:
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"**{escape_markdown(name)}** {fact}")
            choose = partial(st.session_state.update, {key: name})
            st.button(f"Split by {what}", key=f"{key} offer", on_click=choose)


def _optional(
    table: Upload,
    what: str,
    title: str,
    options: list[str],
    first: str | None,
    help: str,
    format_func: Callable[[str], str] = str,
) -> str | None:
    chosen: str | None = st.selectbox(
        title,
        [None, *options],
        index=options.index(first) + 1 if first in options else 0,
        format_func=lambda name: "none" if name is None else format_func(name),
        key=_key(table, what),
        help=help,
    )
    return chosen


def _multiselect(
    table: Upload,
    what: str,
    title: str,
    options: list[str],
    first: list[str],
    help: str,
    format_func: Callable[[str], str] = str,
) -> list[str]:
    return list(
        st.multiselect(
            title,
            options,
            default=[name for name in first if name in options],
            key=_key(table, what),
            help=help,
            format_func=format_func,
        )
    )


def _segmented(
    table: Upload, what: str, title: str, options: dict[str, str], first: str | None, help: str
) -> str | None:
    chosen: str | None = st.segmented_control(
        title,
        list(options),
        default=first or next(iter(options)),
        required=True,
        format_func=options.__getitem__,
        key=_key(table, what),
        help=help,
    )
    return chosen


def _key(table: Upload, what: str) -> str:
    return f"{table.name} {what}"


def _example(columns: list[ColumnProfile]) -> str:
    first = columns[0]
    return escape_markdown(f"{first.name} holds {', '.join(first.words[:4])}{' …' if first.count > 4 else ''}")


def _counted(columns: list[ColumnProfile]) -> list[str]:
    return [escape_markdown(f"{column.name} ({column.missing})") for column in columns[:4]]
