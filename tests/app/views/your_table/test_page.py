"""Your table without a browser: upload, read, refuse and keep a table, and hide it from other browsers."""

from __future__ import annotations

import gzip
import io
import pickle

import numpy as np
import pandas as pd
import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.testing.v1 import AppTest

from anoonly_core.data.catalogue import resolve
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.schema import TableSchema, make_schema
from anoonly_core.results.store import default_store
from app.controls.registry import CONTROLS
from app.server import table_owners
from app.views.compare.url import ADDRESS as COMPARE
from app.views.your_table import controls, times
from app.views.your_table import page as your_table
from app.views.your_table.text import reading_sentences, table_sentence, time_sentence
from app.widgets.worker_result import TimeLimit
from tests.app.conftest import opened
from tests.app.uploading import TABLE, add_labeled_table, add_table, errors, upload
from tests.tables import digits, penguins

pytestmark = pytest.mark.usefixtures("one_browser")


def test_a_table_is_uploaded_read_and_opened_in_compare() -> None:
    page = upload(TABLE.to_csv(index=False).encode())
    assert "cells\\.csv: 569 rows of 5 features, 212 anomalies, 37.3%" in page.markdown[0].value
    (table,) = uploads.list_uploads("me")
    compare = opened(dataset=table.name, epochs="1", seeds="1")
    assert errors(compare) == [] and compare.warning == []
    assert compare.selectbox(key="dataset").value == table.name
    address_free = resolve(table.name).load()
    assert (address_free.rows, int(address_free.y.sum())) == (569, 212)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cells.csv", TABLE.to_csv(index=False).encode()),
        ("damaged.csv.gz", b"no gzip"),
        ("empty.csv", b""),
        ("archive.gz", b"no table"),
        ("large.csv", b"a,b\n" + b"1,2\n" * 500_000),
    ],
)
def test_an_uploaded_file_does_not_stay_in_the_memory_of_the_server(
    name: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[MemoryUploadedFileManager] = []
    add_file = MemoryUploadedFileManager.add_file

    def add_noted(manager: MemoryUploadedFileManager, session_id: str, file: UploadedFileRec) -> None:
        held.append(manager)
        add_file(manager, session_id, file)

    monkeypatch.setattr(MemoryUploadedFileManager, "add_file", add_noted)
    page = opened("your-table")
    page.file_uploader[0].upload(name, content, "text/csv")
    page.run()
    assert held and all(manager.get_stats() == {} for manager in held)


def test_a_table_is_split_by_time_and_compare_says_so() -> None:
    when = pd.date_range("2024-01-01", periods=len(TABLE)).strftime("%Y-%m-%d")
    page = upload(TABLE.assign(when=when, ward=np.arange(len(TABLE)) % 50).to_csv(index=False).encode())
    (table,) = uploads.list_uploads("me")
    for what, column in (("time", "when"), ("group", "ward")):
        page.selectbox(key=f"{table.name} {what}").set_value(column).run()
    text = "".join(markdown.value for markdown in page.markdown)
    assert "of 5 features" in text and "Time column when" in text and "Group column ward" in text
    compare = opened(dataset=table.name, protocol="by_time", epochs="1", seeds="1")
    assert errors(compare) == []
    text = "".join(markdown.value for markdown in compare.markdown)
    assert "tested on the latest rows," in text and "split by time (when)" in text.replace("\\", "")
    assert len(compare.selectbox(key="protocol").options) == 4
    assert any("groups have rows in training and in the test" in caption.value for caption in compare.caption)


def test_each_choice_changes_what_is_read() -> None:
    page = upload(penguins().read_bytes(), "penguins.csv")
    (table,) = uploads.list_uploads("me")
    assert table.label_column == "species" and table.counts is not None and table.counts["anomalies"] == 68
    assert "344 rows of 10 features" in page.markdown[0].value
    page.segmented_control(key=f"{table.name} missing").set_value("drop").run()
    assert "333 rows of 10 features" in page.markdown[0].value
    page.segmented_control(key=f"{table.name} categories").set_value("leave_out").run()
    assert "of 5 features" in page.markdown[0].value
    page.multiselect(key=f"{table.name} without").set_value(["island", "year"]).run()
    assert "of 4 features" in page.markdown[0].value
    page.multiselect(key=f"{table.name} anomaly species").set_value(["Adelie"]).run()
    assert uploads.get(table.name).get_schema() == make_schema(
        {
            "label": "species",
            "anomaly": ("Adelie",),
            "without": ("island", "year"),
            "categories": "leave_out",
            "missing": "drop",
        }
    )
    path = f"{penguins()}?label=species&anomaly=Adelie&without=island,year&categories=leave_out&missing=drop"
    assert resolve(table.name).load().fingerprint == resolve(path).load().fingerprint
    page.segmented_control(key=f"{table.name} missing").set_value("impute").run()
    page.segmented_control(key=f"{table.name} missing").set_value("drop").run()  # which was read before
    assert resolve(table.name).load().fingerprint == resolve(path).load().fingerprint


def test_the_file_and_its_numbers_are_read_as_the_visitor_says() -> None:
    rows = "".join(
        f"{number};{row % 9 == 0:d};{'öä'[row % 2]}\n" for row, number in enumerate([984, "6.833", "8.815"] * 20)
    )
    page = upload(f"größe;label;wort\n{rows}".encode("cp1252"), "t.csv")
    (table,) = uploads.list_uploads("me")
    file = page.expander[1].label.replace("\\", "")
    assert file == "File – encoding: Windows-1252 (Western Europe), first line: names of the columns"
    assert "60 rows of 3 features" in page.markdown[0].value and "833 in größe means" in page.segmented_control[0].label
    page.segmented_control(key=f"{table.name} decimal").set_value("comma").run()
    assert uploads.load(uploads.get(table.name)).X[:, 0].max() == 8815
    page.selectbox(key=f"{table.name} encoding").set_value("cp850").run()
    read = uploads.get(table.name)
    assert read.get_schema().encoding == "cp850" and read.get_preprocessing().features[0] == "gr÷▀e"
    page.selectbox(key=f"{table.name} header").set_value("no").run()
    assert uploads.load(uploads.get(table.name)).rows_in_file == 61


def test_clean_and_zero_shot_take_it_like_any_other() -> None:
    reading = make_schema({"label": "digit", "anomaly": ("3",), "share": 0.05})
    table, _ = uploads.apply_schema(add_table(digits().to_csv(index=False).encode(), "digits.csv"), reading)
    page = opened("zero-shot", table=table.name, seeds="1", steps="25", rows="20", tasks="4")
    assert page.selectbox(key="zero_shot_table").value == table.name and errors(page) == []
    assert "classes that" in page.markdown[0].value or "AUCROC" in page.markdown[0].value
    page = opened("clean", dataset=table.name, seeds="1", epochs="2")
    assert page.selectbox(key="dataset").value == table.name and errors(page) == []
    assert any("Over" in markdown.value or "One seed" in markdown.value for markdown in page.markdown)


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, X=np.array([[{"a": 1}]] * 9, dtype=object), y=np.zeros(9))
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    TABLE.to_parquet(buffer)
    return buffer.getvalue()


WIDE = (",".join(f"c{place}" for place in range(100_000)) + "\n").encode() * 2
HOSTILE = {
    "objects.npz": (pickled(), "Python objects"),
    "pickle.npz": (pickle.dumps({"X": 1}), "cannot be read"),
    "cut.csv.gz": (gzip.compress(TABLE.to_csv().encode())[:-40], "cannot be read"),
    "cut.parquet": (parquet()[:-100], "cannot be read"),
    "wide.csv": (WIDE, "100000 columns"),
    "empty.csv": (b"", "is empty"),
    "one_row.csv": (b"a,b\n", "no rows"),
    "../../x.csv": (b"\x00\x01", "../../x.csv has no rows"),
    "<script>alert(1)</script>.csv": (
        b"a;b\n1;2;3;4\n1\n",
        "<script>alert(1)</script>.csv cannot be read as a .csv table: line 2 has 4",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_a_sentence_and_the_next_one_read(name: str) -> None:
    content, words = HOSTILE[name]
    page = upload(content, name)
    assert len(errors(page)) == 1 and words in errors(page)[0], errors(page)
    good = upload(TABLE.to_csv(index=False).encode(), "good.csv")
    assert any("good" in markdown.value and "569 rows" in markdown.value for markdown in good.markdown)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (TABLE.assign(target="malignant"), "none labeled normal"),
        (TABLE[:1], "none labeled normal"),
        (TABLE.drop(columns="target"), "no label. Label a few"),
        (TABLE.assign(target=TABLE["target"].where(TABLE["target"] == "malignant")), "none labeled normal"),
    ],
)
def test_a_table_that_cannot_be_tested_says_what_it_is_good_for(table: pd.DataFrame, words: str) -> None:
    page = upload(table.to_csv(index=False).encode())
    assert words in page.markdown[0].value, page.markdown[0].value
    assert errors(page) == []
    assert next(button for button in page.button if button.label == "Compare").disabled


def test_a_label_of_one_value_is_refused() -> None:
    page = upload(TABLE.assign(target="benign").to_csv(index=False).encode())
    assert "label column target holds only benign" in errors(page)[0]


def test_a_column_that_cannot_be_a_feature_is_left_out_at_first_and_refused_after() -> None:
    odd = TABLE.assign(remark=["3"] * 500 + ["see note"] * 69, far=[np.inf] + [1.0] * 568)
    page = upload(odd.to_csv(index=False).encode())
    (table,) = uploads.list_uploads("me")
    assert set(table.get_schema().without) == {"remark", "far"}
    page.multiselect(key=f"{table.name} without").set_value(["far"]).run()
    assert errors(page) == [] and "569 rows of 7 features" in page.markdown[0].value
    assert "each of its 2 values is a word" in page.warning[0].value
    schema = uploads.get(table.name).get_schema()
    page.segmented_control(key=f"{table.name} categories").set_value("leave_out").run()
    assert "column remark holds numbers, but in row 500 'see note'" in errors(page)[0]
    page.segmented_control(key=f"{table.name} categories").set_value("one_hot").run()
    page.multiselect(key=f"{table.name} without").set_value(["remark"]).run()
    assert "column far holds an infinite value" in errors(page)[0]
    assert uploads.get(table.name).get_schema() == schema  # what was read before is still there


def test_a_table_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(your_table, "TOO_LONG", TimeLimit(0.0, "Reading the table took more than 0 s and was stopped."))
    page = upload(TABLE.to_csv(index=False).encode())
    assert errors(page) == ["Reading the table took more than 0 s and was stopped."]
    monkeypatch.undo()
    monkeypatch.setattr(table_owners, "owner", lambda: "me")
    next(button for button in page.button if button.label == "Try again").click().run()
    assert errors(page) == [] and "569 rows" in page.markdown[0].value


# Owners of a table


def test_nobody_else_sees_a_table_or_what_was_made_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    table = add_labeled_table()
    mine = opened(dataset=table.name, epochs="1", seeds="1")
    assert mine.selectbox(key="dataset").value == table.name
    default_store().put_sweep("sweep x", '{"settings": {"dataset": "' + table.name + '"}, "axes": [], "seeds": 1}')

    def listed(page: AppTest) -> bool:
        return any(table.name in frame.value["dataset"].tolist() for frame in page.dataframe)

    assert listed(opened("runs"))
    monkeypatch.setattr(table_owners, "owner", lambda: "somebody else")
    theirs = opened(dataset=table.name, epochs="1", seeds="1")
    assert theirs.selectbox(key="dataset").value == "digits_3"
    assert "was deleted, belongs to another browser" in theirs.warning[0].value.replace("\\", "")
    assert not listed(opened("runs"))
    for path, parameters in (("clean", {"dataset": table.name}), ("label", {"table": table.name})):
        page = opened(path, **parameters)
        assert not any(table.name in str(box.options) for box in page.selectbox)
    assert (
        opened("zero-shot", table=table.name, seeds="1", steps="25").selectbox(key="zero_shot_table").value == "digits"
    )
    uploads.set_permanent(table)
    assert opened(dataset=table.name, epochs="1", seeds="1").selectbox(key="dataset").value == table.name


def test_a_table_of_another_browser_is_no_value_of_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    table = add_labeled_table(owner="you")
    values, notices = COMPARE.read({"dataset": [table.name]})
    assert values == {} and "Upload its file on the page Your table" in notices[0]
    monkeypatch.setattr(table_owners, "owner", lambda: "you")
    assert COMPARE.read({"dataset": [table.name]}) == ({"dataset": table.name}, [])
    unlabeled = uploads.apply_schema(add_table(owner="you"), TableSchema(label="", without=("target",)))[0]
    assert unlabeled.name not in CONTROLS[0].offered() and table.name in CONTROLS[0].offered()


# Texts about a table


def test_the_report_says_what_becomes_of_each_column() -> None:
    reading = make_schema(
        {"label": "species", "anomaly": ("Chinstrap",), "share": 0.05, "categories": "one_hot", "missing": "impute"}
    )
    table, _ = uploads.apply_schema(add_table(penguins().read_bytes(), "pen*guins_.csv"), reading)
    said = " ".join(reading_sentences(table)).replace("\\", "")
    for words in (
        "Chinstrap means anomaly; 68 anomalies, 276 normal rows. 15 of the anomalies are sampled",
        "5 columns of numbers** as they are, 2 of words as 5 features of 0 and 1: island, sex",
        "Missing values** in sex (11), bill_length_mm (2)",
        "about 4 anomalies. **That is few**",
    ):
        assert words in said, said
    assert "pen\\*guins\\_" in table_sentence(table)


def test_only_its_owner_changes_how_a_kept_table_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    table = uploads.set_permanent(add_labeled_table())
    monkeypatch.setattr(table_owners, "owner", lambda: "you")
    page = opened("your-table")
    assert errors(page) == [] and "569 rows of 5 features" in page.markdown[0].value
    assert [box.key for box in page.selectbox] == [] and len(page.multiselect) == 0
    assert any("Only the browser that uploaded" in caption.value for caption in page.caption)
    assert uploads.get(table.name) == table


def test_a_table_that_was_read_differently_meanwhile_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = add_labeled_table()
    current, _ = uploads.apply_schema(shown, make_schema({"label": "target", "anomaly": ("benign",)}))
    complaints: list[str] = []
    monkeypatch.setattr(your_table.notices, "queue_error", complaints.append)
    your_table._keep(shown)
    assert len(complaints) == 1 and "was read differently meanwhile" in complaints[0]
    assert uploads.get(shown.name) == current


def test_a_large_table_offers_a_sample_with_the_time_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "LARGE_ROWS", 500)
    monkeypatch.setattr(your_table, "LARGE_ROWS", 500)
    for module in (controls, times):
        monkeypatch.setattr(module, "SAMPLES", (100, 250, 400))
    table = TABLE.iloc[:, :3].assign(label=(np.arange(569) % 10 == 0).astype(int))
    page = upload(table.to_csv(index=False).encode())
    (rows,) = (box for box in page.selectbox if box.label == "Rows")
    assert rows.options == ["all (569)", "sample of 100", "sample of 250"], "at most half of the rows"
    (said,) = (text.value for text in page.caption if "On this machine" in text.value)
    assert "first figures after about" in said and "With a sample of 250 rows: " in said
    (look,) = (text.value for text in page.caption if "5 epochs of batches of 512" in text.value)
    assert look.startswith("All rows with 5 epochs") and "first impression" in look
    opened: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(times, "open_page", lambda *where: opened.append(where))
    (button,) = (button for button in page.button if button.label == "First look")
    button.click().run()
    ((where, settings),) = opened
    assert where == "compare" and settings["dataset"].startswith("own_cells_")
    assert (settings["epochs"], settings["batch_size"]) == ("5", "512")
    assert {"epochs=5", "batch_size=512", "lambda_n=1.0"} <= {*settings["a"].split(",")}
    (rows,) = (box for box in page.selectbox if box.label == "Rows")
    rows.set_value(250).run()
    assert "cells\\.csv: a sample of 250 of 569 rows of 3 features, 57 anomalies, 22.8%" in page.markdown[0].value
    assert any("22.8% of its labeled rows instead of 10.0%" in note.value.replace("\\", "") for note in page.warning)
    (upload_of_it,) = uploads.list_uploads("me")
    assert upload_of_it.get_schema().rows == 250 and resolve(upload_of_it.name).load().rows == 250


def test_a_split_by_time_and_by_group_is_offered() -> None:
    table = TABLE.iloc[:, :2].assign(
        day=[f"2024-{1 + row % 12:02}-{1 + row % 28:02}" for row in range(569)],
        customer_id=1000 + 7 * (np.arange(569) % 90),
        label=(np.arange(569) % 10 == 0).astype(int),
    )
    page = upload(table.to_csv(index=False).encode())
    assert any("**day** tells the time" in text.value for text in page.caption)
    for what, column in (("time", "day"), ("group", "customer\\_id")):
        (button,) = (button for button in page.button if button.label == f"Split by {what}")
        button.click().run()
        assert not any(button.label == f"Split by {what}" for button in page.button)
        assert any(f"**{what.capitalize()} column {column}**" in text.value for text in page.markdown)
    (table_of_it,) = uploads.list_uploads("me")
    assert (table_of_it.get_schema().time, table_of_it.get_schema().group) == ("day", "customer_id")


@pytest.mark.parametrize(
    ("seconds", "samples", "words"),
    [
        ((100.0, 500.0), (5_000, 20_000), "5,000 rows: 5 s and 25 s, of 20,000 rows: 20 s and 2 min"),
        ((100.0, 500.0), (50_000,), "50,000 rows: 50 s and 4 min"),
        ((2.0, 9.0), (), "first figures after about 2 s and all 5 seeds after about 9 s."),
        ((600.0, 7200.0), (10_000,), "after about 10 min and all 5 seeds after about 2.0 h."),
        ((0.1, 0.2), (5_000,), "5,000 rows: 1 s and 1 s"),
    ],
)
def test_the_time_of_a_sample_goes_with_its_rows(
    seconds: tuple[float, float], samples: tuple[int, ...], words: str
) -> None:
    assert words in time_sentence(*seconds, 5, 100_000, samples)
