"""Tests of the catalogue: one contract for every data set, and suggestions for misspelled names."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from anoonly_core.data import catalogue
from anoonly_core.data.adbench import files as adbench
from anoonly_core.data.adbench.files import manifest
from anoonly_core.data.catalogue import DATASETS, Entry, load_cached, resolve
from anoonly_core.data.dataset import Dataset, Facts, Provenance, make_dataset
from anoonly_core.errors import BadDataFile, UnknownDataset
from anoonly_core.lru import LRU

BUNDLED = [name for name, entry in DATASETS.items() if entry.bundled]
FOREIGN = [name for name, entry in DATASETS.items() if not entry.bundled]


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ANOONLY_DATA", raising=False)


def facts_of(dataset: Dataset) -> Facts:
    return Facts(dataset.rows, dataset.columns, int(dataset.y.sum()))


def assert_keeps_the_contract(dataset: Dataset, name: str) -> None:
    assert DATASETS[name].known_facts() == facts_of(dataset)
    assert DATASETS[name].provenance == dataset.provenance
    assert dataset.name == name
    assert dataset.X.dtype == np.float32 and dataset.X.shape == (dataset.rows, dataset.columns)
    assert dataset.X.flags.c_contiguous and np.isfinite(dataset.X).all()
    assert dataset.y.dtype == np.int8 and dataset.y.shape == (dataset.rows,)
    assert set(np.unique(dataset.y)) == {0, 1}
    assert dataset.row_ids.dtype == np.int64 and len(np.unique(dataset.row_ids)) == dataset.rows
    assert 0 < dataset.anomaly_share < (1 if name.startswith("digits_only_") else 0.5)
    assert dataset.provenance.source and dataset.provenance.license
    assert len(bytes.fromhex(dataset.fingerprint)) == 32


# The registry


def test_24_bundled_sets_and_195_of_adbench() -> None:
    digits = [f"{family}_{d}" for family in ("digits", "digits_only") for d in range(10)]
    names = [*digits, "digits_low", "breast_cancer", "novels", "novels_words", *manifest()]
    assert list(DATASETS) == names and len(names) == 24 + 195
    assert names[:24] == BUNDLED


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_set_keeps_the_contract(name: str) -> None:
    dataset = load_cached(name)
    assert_keeps_the_contract(dataset, name)
    assert DATASETS[name].is_local()
    assert load_cached(name) is load_cached(name)


def test_every_entry_is_described() -> None:
    for name, entry in DATASETS.items():
        assert entry.name == name and resolve(name) is entry
        assert entry.identity == (f"bundled:{name}:1" if entry.bundled else f"adbench:{manifest()[name].git_blob_sha1}")
        assert entry.family and entry.is_local() == entry.bundled


def test_known_facts_need_no_file() -> None:
    for entry in DATASETS.values():
        facts = entry.facts
        assert facts == entry.known_facts()
        assert facts.columns is None or facts.columns >= 1
        # Either both are known of a file or neither is: a share needs both.
        assert (facts.rows is None) == (facts.anomalies is None) == (facts.anomaly_share is None)
        if facts.anomalies is not None:
            assert facts.rows is not None and 0 < facts.anomalies < facts.rows and facts.columns is not None
        assert (entry.file is None) == entry.bundled
    of_adbench = [DATASETS[name].facts for name in FOREIGN]
    assert sum(facts.rows is not None for facts in of_adbench) == 65
    assert DATASETS["9_census"].facts == Facts(299285, 500, 18568)
    assert DATASETS["SVHN_8"].facts == Facts(5310, 512, 265), "as the file is; the published table says 5208 and 260"
    assert DATASETS["CIFAR10_1"].facts == Facts(None, 512, None)
    assert DATASETS["CV_by_ViT/CIFAR10_1"].facts == Facts()
    assert DATASETS["9_census"].provenance.license == "BSD 2-clause"


def test_facts_are_read_from_a_local_file() -> None:
    entry = DATASETS["CV_by_ViT/CIFAR10_1"]
    assert entry.file is not None
    path = adbench.cached_path(entry.file)
    path.parent.mkdir(parents=True)
    np.savez_compressed(path, X=np.zeros((30, 4)), y=np.arange(30) % 10 == 0)
    assert entry.known_facts() == Facts(30, 4, 3)
    for content in (b"", b"not an archive", path.read_bytes()[:-40]):
        path.write_bytes(content)
        assert entry.known_facts() == Facts()
    np.savez(path, X=np.zeros(4), y=np.zeros(4))
    assert entry.known_facts() == Facts()


def test_names_ignoring_case_and_identities_are_unique() -> None:
    assert len({name.casefold() for name in DATASETS}) == 219
    twice = [known for known, times in Counter(e.identity for e in DATASETS.values()).items() if times > 1]
    assert not twice


def test_the_registry_is_read_only() -> None:
    with pytest.raises(TypeError):
        DATASETS["mine"] = DATASETS["digits_3"]  # type: ignore[index]


def test_real_files_keep_the_contract(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOONLY_DATA", str(real_data))
    present = [name for name in FOREIGN if DATASETS[name].is_local()]
    if not present:
        pytest.skip("ANOONLY_DATA holds no file of ADBench: none was checked")
    for name in present:
        dataset = resolve(name).load()
        assert_keeps_the_contract(dataset, name)
        known = DATASETS[name].facts
        for listed, actual in zip(astuple(known), astuple(facts_of(dataset)), strict=True):
            assert listed in (None, actual), f"{name}: the manifest says {known}"


def test_a_qualified_name_is_the_same_set(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOONLY_DATA", str(real_data))
    if not DATASETS["MVTec-AD_bottle"].is_local():
        pytest.skip("ANOONLY_DATA has no MVTec-AD_bottle")
    qualified, plain = resolve("CV_by_ResNet18/MVTec-AD_bottle").load(), resolve("MVTec-AD_bottle").load()
    assert qualified.name == plain.name == "MVTec-AD_bottle"
    assert qualified.fingerprint == plain.fingerprint


# Names


def test_every_qualified_name_is_known() -> None:
    for name, entry in manifest().items():
        assert resolve(entry.qualified_name) is DATASETS[name]


def test_a_file_of_the_same_name_in_another_folder_is_another_set() -> None:
    for twin, name in [("CV_by_ViT", "CIFAR10_0"), ("NLP_by_RoBERTa", "20news_3")]:
        assert resolve(f"{twin}/{name}").identity != resolve(name).identity
    assert resolve("CV_by_ResNet18/CIFAR10_0") is resolve("CIFAR10_0")
    assert resolve("NLP_by_BERT/20news_3") is resolve("20news_3")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("digit_3", "digits_3"),
        ("Digits_3", "digits_3"),
        (" digits_3", "digits_3"),
        ("digits3", "digits_3"),
        ("breastcancer", "breast_cancer"),
        ("cifar10_0", "CIFAR10_0"),
        ("MVTEC-AD_BOTTLE", "MVTec-AD_bottle"),
        ("mvtec_bottle", "MVTec-AD_bottle"),
        ("cover", "10_cover"),
        ("cardio", "6_cardio"),
        ("20news-3", "20news_3"),
        ("cv_by_vit/cifar10_0", "CV_by_ViT/CIFAR10_0"),
    ],
)
def test_similar_names_are_suggested(name: str, meant: str) -> None:
    for use in (resolve, load_cached):
        with pytest.raises(UnknownDataset) as caught:
            use(name)
        match = re.fullmatch(r"There is no data set called (.+): did you mean (.+)\?", str(caught.value))
        assert match is not None and match[1] == repr(name)
        suggested = match[2].split(" or ")
        assert suggested[0] == meant and set(suggested) <= set(DATASETS)


@pytest.mark.parametrize("name", ["", "qqqqqq", ".", "/", "~", "\0", "x" * 5000, "qqq\nqqq", "\udcff"])
def test_a_name_without_similar_ones_refers_to_the_list(name: str) -> None:
    with pytest.raises(UnknownDataset) as caught:
        resolve(name)
    text = str(caught.value)
    assert text.startswith("There is no data set called '") and text.endswith("; `datasets` lists them all.")
    assert text.isprintable() and len(text) < 200


def test_a_catalogue_name_wins_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("digits_3").write_text("mine")
    assert resolve("digits_3").identity == DATASETS["digits_3"].identity


# Cache


def test_the_four_sets_used_last_are_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_cache", LRU(catalogue.CACHED_DATASETS))
    first, second = load_cached("digits_0"), load_cached("digits_1")
    assert [load_cached(f"digits_{d}").name for d in range(2, 4)] == ["digits_2", "digits_3"]
    assert load_cached("digits_0") is first
    load_cached("digits_4")
    assert load_cached("digits_0") is first, "used since, so another one goes"
    assert load_cached("digits_1") is not second
    assert load_cached("digits_1").fingerprint == second.fingerprint
    assert len(catalogue._cache) <= 4


def test_a_cached_load_looks_its_name_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []

    def find(name: str, find: Callable[[str], Entry | None] = catalogue.find) -> Entry | None:
        names.append(name)
        return find(name)

    monkeypatch.setattr(catalogue, "_cache", LRU(catalogue.CACHED_DATASETS))
    monkeypatch.setattr(catalogue, "find", find)
    first = load_cached("digits_0")
    assert load_cached("digits_0") is first
    assert names == ["digits_0"] * 2


def test_the_catalogue_opens_no_file_and_no_connection() -> None:
    script = (
        "import sys, socket, io\n"
        "import anoonly_core.data.catalogue as c\n"
        "def watch(event, args):\n"
        "    if event in ('open', 'socket.connect'): raise SystemExit(f'{event} {args}')\n"
        "sys.addaudithook(watch)\n"
        "print(sum(e.is_local() for e in c.DATASETS.values()), len(c.resolve('CIFAR10_0').identity))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "24 48\n" and done.returncode == 0, done.stderr


# Tables


def test_fingerprints_differ_between_tables() -> None:
    X, y = np.arange(12.0).reshape(6, 2), np.arange(6) % 2
    source = Provenance("made here", "none")
    first = make_dataset("a", X, y, source).fingerprint
    assert make_dataset("b", X.astype(np.int64), y == 1, source, np.arange(6)[::-1]).fingerprint == first
    others = [(X + 1, y), (X, 1 - y), (X[::-1], y), (X.reshape(6, 2)[:, ::-1], y), (np.c_[X, X], y), (X[:4], y[:4])]
    assert len({first, *(make_dataset("a", *other, source).fingerprint for other in others)}) == 7


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        (np.zeros(4), np.array([0, 1, 0, 1]), "rows and columns"),
        (np.zeros((4, 0)), np.array([0, 1, 0, 1]), "rows and columns"),
        (np.zeros((4, 1)), np.array([0, 1, 0]), "4 rows of features but labels of shape (3,)"),
        (np.zeros((4, 1)), np.array([[0], [1], [0], [1]]), "labels of shape (4, 1)"),
        (np.array([["a"]] * 4), np.array([0, 1, 0, 1]), "must be numbers"),
        (np.zeros((4, 1)), np.array([0, 1, 2, 1]), "0 (normal) or 1 (anomaly)"),
        (np.zeros((4, 1)), np.array([0, 0, 0, 0]), "both normal rows (0) and anomalies (1)"),
        (np.array([[np.nan], [0], [0], [0]]), np.array([0, 1, 0, 1]), "missing, infinite"),
    ],
)
def test_invalid_tables_are_refused(X: np.ndarray, y: np.ndarray, words: str) -> None:
    with pytest.raises(BadDataFile) as caught:
        make_dataset("mine", X, y, Provenance("made here", "none"))
    assert str(caught.value).startswith("mine: ") and words in str(caught.value)
