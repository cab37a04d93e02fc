"""Tests of uploads: names, folders, owners, schemas, labels set by hand, removal."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached, resolve
from anoonly_core.data.split import make_split
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.files import MAX_BYTES
from anoonly_core.data.tables.profile import profile_table, suggest_schema
from anoonly_core.data.tables.schema import TableSchema, make_schema
from anoonly_core.data.tables.upload_disk import folder_bytes, uploads_folder
from anoonly_core.data.tables.upload_metadata import Upload, is_upload_name
from anoonly_core.errors import BadDataFile, CacheUnavailable, UnknownDataset
from anoonly_core.results.keys import run_key
from anoonly_core.results.store import Store
from anoonly_core.runs.run import run
from anoonly_core.zero_shot.class_table import class_table_identity, load_class_table
from tests.tables import cancer


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def add_upload(table: pd.DataFrame | None = None, file_name: str = "cells.csv", owner: str = "me") -> Upload:
    text = (cancer() if table is None else table).to_csv(index=False)
    return uploads.add(file_name, io.BytesIO(text.encode()), owner, "here")


MALIGNANT = make_schema({"label": "target", "anomaly": ("malignant",)})


def test_an_upload_and_its_file_give_equal_scores(tmp_path: Path) -> None:
    table, _ = uploads.apply_schema(add_upload(), MALIGNANT)
    cancer().to_csv(tmp_path / "cells.csv", index=False)
    uri = f"{tmp_path / 'cells.csv'}?label=target&anomaly=malignant"
    assert resolve(table.name).load().fingerprint == resolve(uri).load().fingerprint
    config = make_config(dataset=table.name, epochs=2)
    np.testing.assert_array_equal(run(config).scores, run(config.with_(dataset=uri)).scores)


def test_names_and_folders_are_generated(cache: Path) -> None:
    for file_name in (
        "../../x.csv",
        "<script>alert(1)</script>.csv",
        "/etc/passwd.csv",
        "ü\n.csv",
        "con.csv",
        "." * 300 + "csv",
    ):
        table = add_upload(file_name=file_name)
        assert is_upload_name(table.name) and table.file_name.isprintable()
        assert table.folder.parent == cache / "tables"
        assert {path.name for path in table.folder.iterdir()} == {"about.json", "source.csv"}
    assert {path.name for path in cache.iterdir()} == {"tables"}


@pytest.mark.parametrize("name", ["own_x_../../aa", "own_x_0000000G", "own_cells_00000000", "own__00000000", "own_x"])
def test_malformed_and_unknown_names_find_nothing(name: str) -> None:
    add_upload()
    assert uploads.find(name) is None
    with pytest.raises(UnknownDataset):
        resolve(name)


def test_the_whole_name_must_match() -> None:
    table = add_upload()
    assert uploads.find(table.name.replace("cells", "other")) is None
    assert uploads.find(table.name) == table


def test_a_refused_file_leaves_nothing(cache: Path) -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"0" * size

    with pytest.raises(BadDataFile, match=f"at most {MAX_BYTES >> 20} MB"):
        uploads.add("huge.csv", Endless(), "me", "here")  # type: ignore[arg-type]
    with pytest.raises(BadDataFile, match="is no "):
        uploads.add("setup.exe", io.BytesIO(b"MZ"), "me", "here")
    assert list((cache / "tables").iterdir()) == []


def test_an_owner_sees_owned_and_permanent_tables() -> None:
    owned, other = add_upload(), add_upload(owner="you")
    assert uploads.list_uploads("me") == [owned] and uploads.list_uploads("you") == [other]
    kept = uploads.set_permanent(other)
    assert uploads.list_uploads("me") == sorted([owned, kept], key=lambda table: table.name)
    uploads.remove(kept)
    assert uploads.list_uploads() == [owned] and uploads.find(other.name) is None
    with pytest.raises(UnknownDataset, match="was removed: upload its file again"):
        resolve(other.name).load()


def test_another_schema_changes_the_run_key() -> None:
    table, _ = uploads.apply_schema(add_upload(), MALIGNANT)
    config = make_config(dataset=table.name)
    before, first = run_key(config), load_cached(table.name)
    again, _ = uploads.apply_schema(table, make_schema({**MALIGNANT.model_dump(), "share": 0.05}))
    assert again.name == table.name and run_key(config) != before
    assert load_cached(table.name).rows < first.rows
    assert again.counts is not None and again.counts["anomalies_in_file"] == 212
    assert again.counts["anomalies"] == round(357 * 0.05 / 0.95)
    uploads.apply_schema(again, MALIGNANT)
    assert run_key(config) == before


def test_schema_and_rows_are_stored() -> None:
    table, read = uploads.apply_schema(add_upload(), MALIGNANT)
    stored = uploads.find(table.name)
    assert stored == table and stored is not None and stored.get_schema() == MALIGNANT
    assert stored.get_preprocessing() == read.preprocessing and stored.can_be_tested
    loaded = uploads.load(stored)
    for name in ("X", "y", "file_rows", "drawn", "labels"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(read, name))


def test_metadata_of_older_uploads_is_read() -> None:
    table, _ = uploads.apply_schema(add_upload(), MALIGNANT)
    stored = json.loads((table.folder / "about.json").read_text())
    keys = "name shown suffix owner server kept identity reading preparation label counts filled labels"
    assert list(stored) == keys.split()
    assert stored["shown"] == "cells.csv" and stored["reading"] == {"label": "target", "anomaly": ["malignant"]}
    (table.folder / "about.json").write_text(json.dumps({**stored, "kept": True}))
    assert uploads.get(table.name) == replace(table, permanent=True)


def test_applying_a_schema_keeps_a_table_permanent() -> None:
    table = add_upload()
    uploads.set_permanent(table)
    assert uploads.apply_schema(table, MALIGNANT)[0].permanent
    uploads.remove(table)
    with pytest.raises(UnknownDataset):
        uploads.apply_schema(table, MALIGNANT)
    assert not table.folder.exists()


def test_a_full_disk_raises_one_sentence_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table, _ = uploads.apply_schema(add_upload(), MALIGNANT)
    uploads.save_labels(table, "row,label\n3,anomaly\n")
    files = sorted(path.name for path in table.folder.iterdir())

    def full(part: Path, path: Path) -> None:
        raise OSError(28, "No space left on device")

    changes = (
        partial(uploads.save_labels, table, "row,label\n"),
        partial(uploads.set_permanent, table),
        partial(uploads.apply_schema, table, MALIGNANT),
    )
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        for change in changes:
            with pytest.raises(CacheUnavailable, match=r"^The upload could not be saved .*No space left.*there\.$"):
                change()
    assert uploads.find(table.name) == table and uploads.load_labels(table) == "row,label\n3,anomaly\n"
    assert sorted(path.name for path in table.folder.iterdir()) == files


def test_a_schema_that_fails_changes_nothing() -> None:
    table, _ = uploads.apply_schema(add_upload(), MALIGNANT)
    with pytest.raises(BadDataFile):
        uploads.apply_schema(table, make_schema({"label": "target", "anomaly": ("green",)}))
    assert uploads.find(table.name) == table and resolve(table.name).load().rows == 569


def test_the_label_column_gives_a_class_table() -> None:
    sizes = cancer().assign(target=np.arange(569) % 4)
    table, _ = uploads.apply_schema(
        add_upload(sizes), make_schema({"label": "target", "anomaly": ("3",), "share": 0.05})
    )
    classes = load_class_table(table.name)
    assert classes.names == ("0", "1", "2", "3") == table.label_values and len(classes.X) == 569
    assert class_table_identity(table.name) == table.identity == resolve(table.name).identity


def test_damaged_and_foreign_folders_are_ignored(cache: Path) -> None:
    table, _ = uploads.apply_schema(add_upload(), MALIGNANT)
    (rows,) = table.folder.glob("table*.npz")
    rows.write_bytes(b"PK")
    with pytest.raises(UnknownDataset):
        resolve(table.name).load()
    for content in ("", "[]", "{}", json.dumps({"name": "own_x_12345678"})):
        (table.folder / "about.json").write_text(content)
        assert uploads.find(table.name) is None and uploads.list_uploads() == []
    (cache / "tables" / "stray.txt").write_text("")
    assert uploads.list_uploads() == []


def test_the_store_can_delete_all_results_of_a_table() -> None:
    table, _ = uploads.apply_schema(add_upload(), MALIGNANT)
    store = Store(uploads_folder() / "store.sqlite")
    run(make_config(dataset=table.name, epochs=1), store=store)
    run(make_config(dataset="digits_3", epochs=1), store=store)
    store.put_arrays("p", "points", {"points": np.zeros(2)}, json.dumps({"run": {"dataset": table.name}}))
    store.delete_dataset(table.name)
    assert [result.config["dataset"] for result in store.runs().values()] == ["digits_3"]
    assert store.get_arrays("p", "points") is None


# Suggested schemas


def test_label_and_anomaly_are_suggested() -> None:
    profile = profile_table(cancer().assign(id=range(569), when=pd.Timestamp("2020")))
    assert suggest_schema(profile) == TableSchema(label="target", anomaly=("malignant",), without=("id", "when"))
    assert profile.values["target"] == {"benign": 357, "malignant": 212}
    digits = profile_table(pd.DataFrame({"a": np.arange(30.0), "class": [1] * 20 + [0] * 6 + [7] * 4}))
    assert suggest_schema(digits).anomaly == ("7",)
    assert suggest_schema(profile_table(cancer().drop(columns="target"))) == TableSchema(label="")
    assert suggest_schema(profile_table(pd.DataFrame({"a": [1.0, None], "b": ["x", "y"], "y": [0, 1]}))) == TableSchema(
        label="y", anomaly=("1",), categories="one_hot", missing="impute"
    )


def test_the_number_of_tables_per_owner_is_limited() -> None:
    for _ in range(uploads.MAX_TABLES):
        add_upload()
    with pytest.raises(BadDataFile, match="You already have 10 tables here"):
        add_upload()
    add_upload(owner="you")


def test_labels_set_by_hand_are_stored() -> None:
    table = add_upload()
    assert uploads.load_labels(table) == ""
    (table.folder / "marks.json").write_text('{"3": true, "8": false}')  # of an earlier version
    assert uploads.load_labels(table) == "row,label\n3,anomaly\n8,normal\n"
    uploads.save_labels(table, "row,label\n4,unsure\n")
    assert uploads.load_labels(table) == "row,label\n4,unsure\n"
    (table.folder / "labels.csv").unlink()
    (table.folder / "marks.json").write_text("?")
    assert uploads.load_labels(table) == ""


# Versions


BENIGN = make_schema({"label": "target", "anomaly": ("benign",)})


def assert_consistent(table: Upload) -> None:
    """Assert that the description on disk fits the rows on disk."""
    stored = uploads.get(table.name)
    uploads._parsed.clear()
    rows = uploads.load(stored)
    assert stored.counts is not None
    assert stored.counts["anomalies"] == int((rows.y[rows.drawn] == 1).sum())
    assert stored.counts["features"] == rows.X.shape[1]
    assert len(list(stored.folder.glob("table*.npz"))) == 1


def test_a_stale_keep_is_refused_and_changes_nothing() -> None:
    first, _ = uploads.apply_schema(add_upload(), MALIGNANT)
    second, _ = uploads.apply_schema(first, BENIGN)
    with pytest.raises(UnknownDataset, match="was read differently meanwhile"):
        uploads.set_permanent(first)
    assert uploads.get(first.name) == second
    assert uploads.set_permanent(second).permanent
    assert_consistent(first)


def test_a_stale_schema_is_refused_and_changes_nothing() -> None:
    first, _ = uploads.apply_schema(add_upload(), MALIGNANT)
    second, _ = uploads.apply_schema(first, BENIGN)
    with pytest.raises(UnknownDataset, match="was read differently meanwhile"):
        uploads.apply_schema(first, make_schema({**MALIGNANT.model_dump(), "share": 0.05}))
    assert uploads.get(first.name) == second
    assert_consistent(first)
    assert uploads.apply_schema(first, BENIGN)[0] == second  # the same schema is no conflict


def test_rows_of_an_older_version_are_not_taken_for_the_current_ones() -> None:
    first, _ = uploads.apply_schema(add_upload(), MALIGNANT)
    uploads.apply_schema(first, make_schema({**BENIGN.model_dump(), "without": ("mean radius",)}))
    uploads._parsed.clear()
    with pytest.raises(UnknownDataset, match="was read differently meanwhile"):
        uploads.load(first)


@pytest.mark.parametrize("rounds", range(3))
def test_schemas_that_are_applied_at_once_leave_one_version(rounds: int) -> None:
    table = add_upload()
    schemas = [
        make_schema({**schema.model_dump(), "without": without})
        for schema in (MALIGNANT, BENIGN)
        for without in ((), ("mean radius",), ("mean radius", "mean texture"))
    ]

    def apply(schema: TableSchema) -> bool:
        try:
            uploads.apply_schema(table, schema)
        except UnknownDataset:
            return False
        return True

    with ThreadPoolExecutor(len(schemas)) as pool:
        applied = list(pool.map(apply, schemas))
    assert sum(applied) == 1
    assert uploads.get(table.name).get_schema() == schemas[applied.index(True)]
    assert_consistent(table)


def test_rows_that_an_older_version_stored_are_read() -> None:
    table, parsed = uploads.apply_schema(add_upload(), MALIGNANT)
    (rows,) = table.folder.glob("table*.npz")
    rows.rename(table.folder / "table.npz")
    uploads._parsed.clear()
    np.testing.assert_array_equal(uploads.load(uploads.get(table.name)).X, parsed.X)
    uploads.apply_schema(table, BENIGN)
    assert_consistent(table)


def test_rows_that_do_not_fit_the_description_are_refused() -> None:
    """An older version could write the description of one reading beside the rows of another."""
    table, _ = uploads.apply_schema(add_upload(), MALIGNANT)
    other, _ = uploads.apply_schema(add_upload(), BENIGN)
    (rows,) = other.folder.glob("table*.npz")
    (own,) = table.folder.glob("table*.npz")
    rows.rename(table.folder / "table.npz")
    own.unlink()
    uploads._parsed.clear()
    with pytest.raises(UnknownDataset):
        uploads.load(uploads.get(table.name))


# Room


def test_the_number_of_tables_per_owner_is_limited_at_once() -> None:
    def try_add(number: int) -> bool:
        try:
            add_upload(pd.DataFrame({"a": [number]}))
        except BadDataFile:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(try_add, range(2 * uploads.MAX_TABLES)))
    assert sum(added) == len(uploads.list_uploads("me")) == uploads.MAX_TABLES
    assert len(list(uploads_folder().iterdir())) == uploads.MAX_TABLES


def test_the_bytes_of_all_tables_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    first = add_upload()
    size = folder_bytes(first.folder)
    monkeypatch.setattr(uploads, "MAX_OWNER_BYTES", 2 * size)
    add_upload()
    with pytest.raises(BadDataFile, match="remove one before you upload"):
        add_upload()
    monkeypatch.setattr(uploads, "MAX_ALL_BYTES", 3 * size)
    add_upload(owner="you")
    with pytest.raises(BadDataFile, match="take all room"):
        add_upload(owner="them")
    with pytest.raises(BadDataFile, match="take all room"):
        uploads.apply_schema(first, MALIGNANT)
    assert len(uploads.list_uploads()) == 3


def test_the_bytes_of_permanent_tables_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = add_upload(), add_upload()
    monkeypatch.setattr(uploads, "MAX_PERMANENT_BYTES", int(1.5 * folder_bytes(first.folder)))
    first = uploads.set_permanent(first)
    with pytest.raises(BadDataFile, match="kept on this server"):
        uploads.set_permanent(second)
    assert not uploads.get(second.name).permanent
    uploads.set_permanent(first, False)
    assert uploads.set_permanent(second).permanent


def test_a_description_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    table = add_upload()
    monkeypatch.setattr(uploads, "MAX_METADATA", 1000)
    with pytest.raises(BadDataFile, match="names and words"):
        uploads.apply_schema(table, MALIGNANT)
    assert uploads.get(table.name) == table


@pytest.mark.parametrize("length", [201, 1000, 20_000])
def test_a_long_label_is_refused(length: int) -> None:
    table = add_upload(pd.DataFrame({"a": range(20), "label": ["x" * length, "y"] * 10}))
    with pytest.raises(BadDataFile, match=f"a value of {length} characters"):
        uploads.apply_schema(table, make_schema({"label": "label", "anomaly": ("y",)}))


def test_another_upload_is_the_test_of_a_table() -> None:
    rows = pd.DataFrame({"a": np.random.default_rng(0).normal(size=60), "y": np.arange(60) % 6 == 0})
    train, test = add_upload(rows.iloc[:40]), add_upload(rows.iloc[40:])
    other = add_upload(rows, owner="you")
    schema = make_schema({"label": "y", "test": test.name})
    settled = uploads.apply_schema(train, schema)[0]
    assert settled.counts is not None and settled.counts["rows"] == settled.counts["rows_in_file"] == 60
    uploads._parsed.clear()
    dataset = resolve(train.name).load()
    assert dataset.split_keys.tests is not None and dataset.split_keys.tests.tolist() == [False] * 40 + [True] * 20
    split = make_split(dataset, make_config(dataset=train.name, protocol="test_file"))
    assert split.test.tolist() == [*range(40, 60)] and dataset.row_ids.tolist() == [*range(60)]
    uploads.remove(test)
    assert resolve(train.name).load().rows == 60  # its rows are stored with the table
    for name in (other.name, train.name):
        with pytest.raises(BadDataFile, match="cannot be tested on"):
            uploads.apply_schema(settled, make_schema({"label": "y", "test": name}))
    with pytest.raises(UnknownDataset, match="removed"):
        uploads.apply_schema(settled, make_schema({"label": "y", "test": test.name}))


def test_without_a_split_the_identity_is_that_of_earlier_versions() -> None:
    table = add_upload(pd.DataFrame({"a": [0.5, 1.5, 2.5], "when": [3, 1, 2], "y": [0, 1, 0]}))
    plain = uploads.apply_schema(table, make_schema({"label": "y", "without": ("when",)}))[0]
    timed = uploads.apply_schema(plain, make_schema({"label": "y", "time": "when"}))[0]
    assert plain.identity == "own:5bc873c1b10a2ea76df79a0468cdaadde496c759cb8c2927b284ad7ad91f2d50" != timed.identity
    assert uploads.load(timed).split_keys.times is not None
