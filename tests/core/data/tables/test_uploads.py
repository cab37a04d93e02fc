"""Tables that were brought: each in its own folder, under names that we make, gone without a trace."""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached, resolve
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.profile import profile_table, suggest_schema
from anoonly_core.data.tables.readers import MAX_BYTES
from anoonly_core.data.tables.schema import TableSchema, make_schema
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


def brought(table: pd.DataFrame | None = None, shown: str = "cells.csv", owner: str = "me") -> uploads.Upload:
    text = (cancer() if table is None else table).to_csv(index=False)
    return uploads.add(shown, io.BytesIO(text.encode()), owner, "here")


MALIGNANT = make_schema({"label": "target", "anomaly": ("malignant",)})


def test_page_and_file_address_are_one_table_to_the_bit(tmp_path: Path) -> None:
    table, _ = uploads.apply_schema(brought(), MALIGNANT)
    cancer().to_csv(tmp_path / "cells.csv", index=False)
    address = f"{tmp_path / 'cells.csv'}?label=target&anomaly=malignant"
    assert resolve(table.name).load().fingerprint == resolve(address).load().fingerprint
    config = make_config(dataset=table.name, epochs=2)
    np.testing.assert_array_equal(run(config).scores, run(config.with_(dataset=address)).scores)


def test_a_table_has_a_name_of_ours_and_lies_in_a_folder_of_its_own(cache: Path) -> None:
    for shown in (
        "../../x.csv",
        "<script>alert(1)</script>.csv",
        "/etc/passwd.csv",
        "ü\n.csv",
        "con.csv",
        "." * 300 + "csv",
    ):
        table = brought(shown=shown)
        assert uploads.is_upload_name(table.name) and table.file_name.isprintable()
        assert table.folder.parent == cache / "tables"
        assert {path.name for path in table.folder.iterdir()} == {"about.json", "source.csv"}
    assert {path.name for path in cache.iterdir()} == {"tables"}


@pytest.mark.parametrize("name", ["own_x_../../aa", "own_x_0000000G", "own_cells_00000000", "own__00000000", "own_x"])
def test_no_other_name_finds_anything(name: str) -> None:
    brought()
    assert uploads.find(name) is None
    with pytest.raises(UnknownDataset):
        resolve(name)


def test_the_name_must_be_whole() -> None:
    table = brought()
    assert uploads.find(table.name.replace("cells", "other")) is None
    assert uploads.find(table.name) == table


def test_a_file_of_no_known_kind_or_too_large_leaves_nothing(cache: Path) -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"0" * size

    with pytest.raises(BadDataFile, match=f"at most {MAX_BYTES >> 20} MB"):
        uploads.add("huge.csv", Endless(), "me", "here")  # type: ignore[arg-type]
    with pytest.raises(BadDataFile, match="is no "):
        uploads.add("setup.exe", io.BytesIO(b"MZ"), "me", "here")
    assert list((cache / "tables").iterdir()) == []


def test_an_owner_sees_its_own_tables_and_the_kept_ones() -> None:
    mine, theirs = brought(), brought(owner="you")
    assert uploads.list_uploads("me") == [mine] and uploads.list_uploads("you") == [theirs]
    kept = uploads.set_permanent(theirs)
    assert uploads.list_uploads("me") == sorted([mine, kept], key=lambda table: table.name)
    uploads.remove(kept)
    assert uploads.list_uploads() == [mine] and uploads.find(theirs.name) is None
    with pytest.raises(UnknownDataset, match="was removed: upload its file again"):
        resolve(theirs.name).load()


def test_reading_it_otherwise_is_another_table_to_every_key() -> None:
    table, _ = uploads.apply_schema(brought(), MALIGNANT)
    config = make_config(dataset=table.name)
    before, first = run_key(config), load_cached(table.name)
    again, _ = uploads.apply_schema(table, make_schema({**MALIGNANT.model_dump(), "share": 0.05}))
    assert again.name == table.name and run_key(config) != before
    assert load_cached(table.name).rows < first.rows
    assert again.counts is not None and again.counts["anomalies_in_file"] == 212
    assert again.counts["anomalies"] == round(357 * 0.05 / 0.95)
    uploads.apply_schema(again, MALIGNANT)
    assert run_key(config) == before


def test_what_it_was_read_as_comes_back() -> None:
    table, read = uploads.apply_schema(brought(), MALIGNANT)
    found = uploads.find(table.name)
    assert found == table and found is not None and found.get_schema() == MALIGNANT
    assert found.get_preprocessing() == read.preprocessing and found.can_be_tested
    loaded = uploads.load(found)
    for name in ("X", "y", "file_rows", "drawn", "labels"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(read, name))


def test_a_table_that_is_kept_while_it_is_read_stays_kept() -> None:
    table = brought()
    uploads.set_permanent(table)
    assert uploads.apply_schema(table, MALIGNANT)[0].permanent
    uploads.remove(table)
    with pytest.raises(UnknownDataset):
        uploads.apply_schema(table, MALIGNANT)
    assert not table.folder.exists()


def test_a_disk_that_refuses_is_one_sentence_and_leaves_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    table, _ = uploads.apply_schema(brought(), MALIGNANT)
    uploads.save_marks(table, {3: True})
    there = sorted(path.name for path in table.folder.iterdir())

    def full(part: Path, path: Path) -> None:
        raise OSError(28, "No space left on device")

    changes = (
        partial(uploads.save_marks, table, {4: True}),
        partial(uploads.set_permanent, table),
        partial(uploads.apply_schema, table, MALIGNANT),
    )
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        for change in changes:
            with pytest.raises(CacheUnavailable, match=r"^The upload could not be saved .*No space left.*there\.$"):
                change()
    assert uploads.find(table.name) == table and uploads.load_marks(table) == {3: True}
    assert sorted(path.name for path in table.folder.iterdir()) == there


def test_a_reading_that_fails_leaves_what_was_there() -> None:
    table, _ = uploads.apply_schema(brought(), MALIGNANT)
    with pytest.raises(BadDataFile):
        uploads.apply_schema(table, make_schema({"label": "target", "anomaly": ("green",)}))
    assert uploads.find(table.name) == table and resolve(table.name).load().rows == 569


def test_its_label_column_is_a_table_of_classes() -> None:
    sizes = cancer().assign(target=np.arange(569) % 4)
    table, _ = uploads.apply_schema(brought(sizes), make_schema({"label": "target", "anomaly": ("3",), "share": 0.05}))
    classes = load_class_table(table.name)
    assert classes.names == ("0", "1", "2", "3") == table.label_values and len(classes.X) == 569
    assert class_table_identity(table.name) == table.identity == resolve(table.name).identity


def test_a_damaged_or_foreign_folder_counts_as_none(cache: Path) -> None:
    table, _ = uploads.apply_schema(brought(), MALIGNANT)
    (table.folder / "table.npz").write_bytes(b"PK")
    with pytest.raises(UnknownDataset):
        resolve(table.name).load()
    for content in ("", "[]", "{}", json.dumps({"name": "own_x_12345678"})):
        (table.folder / "about.json").write_text(content)
        assert uploads.find(table.name) is None and uploads.list_uploads() == []
    (cache / "tables" / "stray.txt").write_text("")
    assert uploads.list_uploads() == []


def test_all_that_the_store_has_of_a_table_can_be_forgotten() -> None:
    table, _ = uploads.apply_schema(brought(), MALIGNANT)
    store = Store(uploads.folder() / "store.sqlite")
    run(make_config(dataset=table.name, epochs=1), store=store)
    run(make_config(dataset="digits_3", epochs=1), store=store)
    store.put_arrays("p", "points", {"points": np.zeros(2)}, json.dumps({"run": {"dataset": table.name}}))
    store.delete_dataset(table.name)
    assert [one.config["dataset"] for one in store.runs().values()] == ["digits_3"]
    assert store.get_arrays("p", "points") is None


# What is suggested at first


def test_the_label_and_its_rarer_value_are_suggested() -> None:
    look = profile_table(cancer().assign(id=range(569), when=pd.Timestamp("2020")))
    assert suggest_schema(look) == TableSchema(label="target", anomaly=("malignant",), without=("id", "when"))
    assert look.values["target"] == {"benign": 357, "malignant": 212}
    digits = profile_table(pd.DataFrame({"a": np.arange(30.0), "class": [1] * 20 + [0] * 6 + [7] * 4}))
    assert suggest_schema(digits).anomaly == ("7",)
    assert suggest_schema(profile_table(cancer().drop(columns="target"))) == TableSchema(label="")
    assert suggest_schema(profile_table(pd.DataFrame({"a": [1.0, None], "b": ["x", "y"], "y": [0, 1]}))) == TableSchema(
        label="y", anomaly=("1",), categories="one_hot", missing="impute"
    )


def test_nobody_brings_more_tables_than_the_disk_has_room_for() -> None:
    for _ in range(uploads.MAX_TABLES):
        brought()
    with pytest.raises(BadDataFile, match="You already have 10 tables here"):
        brought()
    brought(owner="you")


def test_marks_stay_with_the_table() -> None:
    table = brought()
    assert uploads.load_marks(table) == {}
    uploads.save_marks(table, {3: True, 8: False})
    assert uploads.load_marks(table) == {3: True, 8: False}
    (table.folder / "marks.json").write_text("?")
    assert uploads.load_marks(table) == {}
