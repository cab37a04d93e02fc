"""The bundled passages of novels: two encoders for the same rows, with the passages as previews."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anoonly_core.data import bundled
from anoonly_core.data.bundled import NOVELS_FILE, NOVELS_WORDS_FILE, novels
from anoonly_core.data.feature_files import read_about
from anoonly_core.errors import BadDataFile
from anoonly_core.features.encoders.registry import ENCODERS, load_encoder
from anoonly_core.features.encoders.text_models import MINILM_WEIGHTS

# Where one changes, so must the identity in the catalogue.
FINGERPRINTS = {"novels": "9a4bda6acf899aba", "novels_words": "6967e60016e3683e"}
CHECKED = range(0, 500, 71)


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_the_rows_are_always_the_same(name: str) -> None:
    dataset = novels(name)
    assert dataset.fingerprint[:16] == FINGERPRINTS[name]
    assert dataset.provenance.license == "public domain"
    assert dataset.anomaly_share == 0.1


def test_both_sets_have_the_same_passages_and_labels() -> None:
    first, second = novels("novels"), novels("novels_words")
    assert np.array_equal(first.y, second.y)
    assert first.previews is not None and second.previews is not None
    texts = first.previews.texts(range(500))
    assert texts == second.previews.texts(range(500))
    assert {len(text.split()) for text in texts} == {60}
    assert len(set(texts)) == len(set(first.previews.names(range(500)))) == 500
    wells = [
        name.startswith(("The Time Machine", "The War of the Worlds")) for name in first.previews.names(range(500))
    ]
    assert np.array_equal(wells, first.y == 1)
    assert first.types is not None and first.types.max() == 1


def test_the_words_are_those_of_the_encoder() -> None:
    dataset = novels("novels_words")
    assert dataset.previews is not None
    assert dataset.X.tobytes() == load_encoder("words").encode(dataset.previews.texts(range(500))).tobytes()


def test_the_features_are_those_of_minilm() -> None:
    about = read_about(NOVELS_FILE)
    assert about is not None
    assert (about.encoder.name, about.encoder.weights) == ("minilm-int8", MINILM_WEIGHTS)
    if missing := ENCODERS["minilm-int8"].missing():
        pytest.skip(f"minilm-int8 needs {missing}")
    encoder = load_encoder("minilm-int8")
    assert encoder.identity == about.encoder
    dataset = novels("novels")
    assert dataset.previews is not None
    again = encoder.encode(dataset.previews.texts(CHECKED))
    cosines = (again * dataset.X[list(CHECKED)]).sum(axis=1)
    assert cosines.min() > 0.99  # weights of 8 bits round otherwise on another processor


def test_the_files_are_small() -> None:
    assert NOVELS_FILE.stat().st_size + NOVELS_WORDS_FILE.stat().st_size < 2**20


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04", b"no archive"])
def test_a_missing_or_damaged_file_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    path = tmp_path / "novels.npz"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(bundled, "NOVELS_FILE", path)
    with pytest.raises(BadDataFile, match="novels is missing or damaged: install this package again"):
        novels("novels")
