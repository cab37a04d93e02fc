"""Your table and Label without a browser: bring, read, refuse, keep apart, mark; and what goes with its owner."""

from __future__ import annotations

import gzip
import io
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.testing.v1 import AppTest

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import resolve
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.schema import TableSchema, make_schema
from anoonly_core.data.tables.uploads import Upload
from anoonly_core.results.keys import run_key
from anoonly_core.results.store import default_store
from app.controls.registry import CONTROLS
from app.server import table_owners
from app.server.jobs import server_jobs
from app.server.table_owners import TableOwners, server_table_owners
from app.views.compare.url import ADDRESS as COMPARE
from app.views.label.page import _other_weight
from app.views.your_table import page as your_table
from app.views.your_table.text import reading_sentences, table_sentence
from app.widgets.worker_result import TimeLimit
from tests.app.conftest import opened
from tests.tables import cancer, digits, penguins

pytestmark = pytest.mark.usefixtures("server")

TABLE = cancer().iloc[:, -6:]


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch, server: None) -> Iterator[None]:
    """Each test looks with the eyes of one browser, and leaves no table."""
    monkeypatch.setattr(table_owners, "owner", lambda: "me")
    server_table_owners().note_presence("me", "a session")  # or the first round of the thread takes a table away
    yield
    for table in uploads.list_uploads():
        uploads.remove(table)


def brought(content: bytes | None = None, shown: str = "cells.csv", owner: str = "me", server: str = "") -> Upload:
    body = TABLE.to_csv(index=False).encode() if content is None else content
    return uploads.add(shown, io.BytesIO(body), owner, server or server_table_owners().server)


def settled(**changes: Any) -> Upload:
    return uploads.apply_schema(brought(**changes), make_schema({"label": "target", "anomaly": ("malignant",)}))[0]


def upload(content: bytes, name: str = "cells.csv") -> AppTest:
    page = opened("your-table")
    page.file_uploader[0].upload(name, content, "text/csv")
    page.run()
    assert [caught.value for caught in page.exception] == []
    return page


def errors(page: AppTest) -> list[str]:
    return [error.value.replace("\\", "") for error in page.error]


def test_a_table_is_brought_understood_and_opened_in_compare() -> None:
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


def test_clean_and_zero_shot_take_it_like_any_other() -> None:
    reading = make_schema({"label": "digit", "anomaly": ("3",), "share": 0.05})
    table, _ = uploads.apply_schema(brought(digits().to_csv(index=False).encode(), "digits.csv"), reading)
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
    "empty.csv": (b"", "cannot be read"),
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
        (TABLE.drop(columns="target"), "no label. Mark a few"),
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
    table = settled()
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
    table = settled(owner="you")
    values, notices = COMPARE.read({"dataset": [table.name]})
    assert values == {} and "Upload its file on the page Your table" in notices[0]
    monkeypatch.setattr(table_owners, "owner", lambda: "you")
    assert COMPARE.read({"dataset": [table.name]}) == ({"dataset": table.name}, [])
    unlabeled = uploads.apply_schema(brought(owner="you"), TableSchema(label="", without=("target",)))[0]
    assert unlabeled.name not in CONTROLS[0].offered() and table.name in CONTROLS[0].offered()


@pytest.mark.parametrize("cookie", ["", "2|zz|aa|1", "2||aabb|1", "garbage", "2|00|11|22|33"])
def test_a_broken_cookie_is_no_browser(cookie: str) -> None:
    assert table_owners._token(cookie) == b""


def test_a_browser_is_known_however_its_cookie_is_masked() -> None:
    assert table_owners._token("2|01020304|10203040|1") == table_owners._token("2|ffffffff|eeddccbb|9") != b""


def test_a_table_goes_a_while_after_its_owner_with_all_that_was_made_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = server_jobs()
    custody = TableOwners(jobs)
    here = {"session"}
    monkeypatch.setattr(jobs, "is_session_active", here.__contains__)
    custody.note_presence("me", "session")
    table, kept = settled(server=custody.server), uploads.set_permanent(settled(server=custody.server))
    config = make_config(dataset=table.name, epochs=1)
    key = run_key(config)
    from anoonly_core.runs.run import run

    run(config, store=jobs.store)
    custody.remove_orphans()
    assert uploads.find(table.name) is not None
    here.clear()
    custody.remove_orphans()
    assert uploads.find(table.name) is not None  # it may be a page that is loaded anew
    monkeypatch.setattr(table_owners, "GRACE_S", 0.0)
    custody.remove_orphans()
    assert uploads.find(table.name) is None and jobs.store.get(key) is None
    assert uploads.find(kept.name) is not None
    custody.close()


def test_the_tables_of_a_server_that_died_are_removed_and_of_a_living_one_are_not() -> None:
    living, other = TableOwners(server_jobs()), TableOwners(server_jobs())
    living.note_presence("me", "session")
    theirs, orphan, foreign = (settled(server=name) for name in (living.server, "0123456789abcdef", "../x"))
    other.remove_orphans()
    assert uploads.find(theirs.name) is not None
    assert uploads.find(orphan.name) is None and uploads.find(foreign.name) is None
    living.close()
    other.remove_orphans()
    assert uploads.find(theirs.name) is None
    assert not list(uploads.folder().glob(f"server-{living.server}*"))
    other.close()


def test_what_is_removed_while_it_trains_is_forgotten_once_more() -> None:
    custody = TableOwners(server_jobs())
    table = settled()
    custody.remove(table)
    custody.jobs.store.put_arrays("late", "points", {}, '{"dataset": "' + table.name + '"}')
    custody.remove_orphans()
    assert custody.jobs.store.get_arrays("late", "points") is None
    custody.close()


# Texts about a table


def test_the_report_says_what_becomes_of_each_column() -> None:
    reading = make_schema(
        {"label": "species", "anomaly": ("Chinstrap",), "share": 0.05, "categories": "one_hot", "missing": "impute"}
    )
    table, _ = uploads.apply_schema(brought(penguins().read_bytes(), "pen*guins_.csv"), reading)
    said = " ".join(reading_sentences(table)).replace("\\", "")
    for words in (
        "Chinstrap means anomaly; 68 anomalies, 276 normal rows. 15 of the anomalies are sampled",
        "5 columns of numbers** as they are, 2 of words as 5 features of 0 and 1: island, sex",
        "Missing values** in sex (11), bill_length_mm (2)",
        "about 4 anomalies. **That is few**",
    ):
        assert words in said, said
    assert "pen\\*guins\\_" in table_sentence(table)


# Marked by hand


def test_marks_begin_with_a_ranking_without_labels_and_then_train() -> None:
    table = uploads.apply_schema(brought(), TableSchema(label="", without=("target",)))[0]
    page = opened("label", table=table.name, epochs="2")
    assert "Isolation forest puts the strangest of 569 rows on top" in page.markdown[0].value
    assert errors(page) == []
    first = int(page.dataframe[0].value["row"].iloc[0])
    uploads.save_marks(table, {first: True, 5: False})
    page = opened("label", table=table.name)
    assert "Trained on 1 marked anomaly, DeepSAD puts" in page.markdown[0].value
    assert first not in page.dataframe[0].value["row"].tolist()
    page.toggle(key="label_all").set_value(True).run()
    marks = page.dataframe[0].value.set_index("row")["mark"]
    assert marks[first] == "★ anomaly"


@pytest.mark.parametrize(("given", "other"), [({}, "1"), ({"lambda_n": "1"}, "0")])
def test_marks_train_with_and_without_the_loss_on_the_pool(given: dict[str, str], other: str) -> None:
    """Label begins at λ_n = 0 and shows the ranks of both weights; the list has either order, or both in turn."""
    table = uploads.apply_schema(brought(), TableSchema(label="", without=("target",)))[0]
    uploads.save_marks(table, {int(row): True for row in np.flatnonzero(TABLE["target"] == "malignant")[:3]})
    page = opened("label", **{"table": table.name, "epochs": "2", "baseline": "DevNet", **given})
    assert errors(page) == []
    first, second = f"rank, λₙ = {given.get('lambda_n', '0')}", f"rank, λₙ = {other}"

    def listed(order: str) -> pd.DataFrame:
        page.segmented_control(key="label_order").set_value(order).run()
        frame: pd.DataFrame = page.dataframe[0].value
        return frame

    page.toggle(key="label_all").set_value(True).run()
    by_first, by_second, in_turn = (listed(order) for order in ("chosen", "other", "in turn"))
    assert by_first[first].tolist() == by_second[second].tolist() == [*range(1, 101)]
    assert {*by_first["row"][:10], *by_second["row"][:10]} <= {*in_turn["row"][:20]}
    shared = len({*by_first["row"][:20]} & {*by_second["row"][:20]})
    words = "have the same first 20 rows" if shared == 20 else f"share {shared} of their first 20 rows"
    assert [caption.value for caption in page.caption if words in caption.value]


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({"baseline": "DeepSAD", "lambda_n": 0.0}, {"lambda_n": 1.0}),
        ({"baseline": "DeepSAD", "lambda_n": 0.0, "grad_mean": 0.5}, {"lambda_n": 1.0}),
        ({"baseline": "DevNet", "lambda_n": 0.0}, {"lambda_n": 1.0, "norm": "none"}),
        (
            {"baseline": "DevNet", "lambda_n": 0.0, "grad_mean": 0.5},
            {"lambda_n": 1.0, "norm": "none", "grad_mean": 1.0},
        ),
        ({"baseline": "DevNet", "lambda_n": 0.1, "norm": "layer"}, {"lambda_n": 1.0}),
        ({"baseline": "PReNet", "lambda_n": 1.0}, {"lambda_n": 0.0, "norm": "batch"}),
        ({"baseline": "FEAWAD", "lambda_n": 1.0, "preset": "published_code"}, {"lambda_n": 0.0}),
    ],
)
def test_the_other_weight_has_its_published_norm(settings: dict[str, Any], changed: dict[str, Any]) -> None:
    config = make_config(**settings)
    assert _other_weight(config) == config.with_(**changed)


def test_a_comparator_has_no_other_weight() -> None:
    assert _other_weight(make_config(baseline="REPEN")) is None


def test_a_label_column_counts_as_marks_and_its_blanks_are_searched() -> None:
    known = TABLE["target"].where((np.arange(569) < 60) & (TABLE["target"] == "malignant"))
    page = upload(TABLE.assign(target=known).to_csv(index=False).encode())
    (table,) = uploads.list_uploads("me")
    assert "labeled anomalies and none labeled normal" in page.markdown[0].value
    page = opened("label", table=table.name, epochs="2")
    assert f"Trained on {known.notna().sum()} marked anomalies" in page.markdown[0].value
    listed = page.dataframe[0].value["row"].tolist()
    assert not set(listed) & set(np.flatnonzero(known.notna()))


def test_without_a_table_the_page_says_where_to_bring_one() -> None:
    assert "Practise on an example" in opened("label").markdown[0].value


def test_a_column_of_the_file_never_stands_for_the_ranking() -> None:
    content = TABLE.assign(score=np.arange(len(TABLE)) + 1000.0).drop(columns="target").to_csv(index=False).encode()
    table, _ = uploads.apply_schema(brought(content), make_schema({}))
    (listed,) = opened("label", table=table.name).dataframe
    assert (listed.value["score"] < 1000).all() and (listed.value["score (in the file)"] >= 1000).all()


def test_only_its_owner_changes_how_a_kept_table_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    table = uploads.set_permanent(settled())
    monkeypatch.setattr(table_owners, "owner", lambda: "you")
    page = opened("your-table")
    assert errors(page) == [] and "569 rows of 5 features" in page.markdown[0].value
    assert [box.key for box in page.selectbox] == [] and len(page.multiselect) == 0
    assert any("Only the browser that uploaded" in caption.value for caption in page.caption)
    assert uploads.get(table.name) == table


def test_a_table_that_was_read_differently_meanwhile_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = settled()
    current, _ = uploads.apply_schema(shown, make_schema({"label": "target", "anomaly": ("benign",)}))
    complaints: list[str] = []
    monkeypatch.setattr(your_table.notices, "queue_error", complaints.append)
    your_table._keep(shown)
    assert len(complaints) == 1 and "was read differently meanwhile" in complaints[0]
    assert uploads.get(shown.name) == current
