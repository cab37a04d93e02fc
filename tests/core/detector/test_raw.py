"""Detectors of images and texts: they remember their encoder, and score raw rows as their features are scored."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from anoonly_core.config import make_config
from anoonly_core.data.feature_files import EncoderIdentity
from anoonly_core.data.tables.readers import read_table
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.raw import check_features, encoder_of, score_rows
from anoonly_core.detector.scoring import detector_for_run, score_table
from anoonly_core.detector.serialization import read_model, write_model
from anoonly_core.errors import BadDataFile, BadModelFile, InvalidConfig, InvalidInput
from anoonly_core.features.encoders.pixels import PixelEncoder
from anoonly_core.features.encoders.words import Words
from anoonly_core.features.run import make_features
from tests.core.features.sources import made_images, made_texts

NAMES = [f"{number}.png" for number in range(60)]
LABELS = ["bad" if number % 6 == 0 else "good" for number in range(60)]
NEW = ["new 1.png", "damaged.png", "new 2.png", "kills.png", "good/7.png"]


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("features") / "parts.npz"
    make_features(made_images([*NAMES, "damaged.png"], [*LABELS, "good"]), PixelEncoder(8), out, anomalies=["bad"])
    return out


@pytest.fixture(scope="module")
def fitted(features: Path) -> bytes:
    return pickle.dumps(detector_for_run(make_config(dataset=str(features), epochs=1)))


@pytest.fixture
def detector(fitted: bytes) -> AnoOnlyDetector:
    detector: AnoOnlyDetector = pickle.loads(fitted)
    return detector


def test_a_detector_of_a_feature_file_remembers_its_encoder(detector: AnoOnlyDetector, tmp_path: Path) -> None:
    path = tmp_path / "detector.safetensors"
    detector.save(path)
    loaded = AnoOnlyDetector.load(path)
    assert loaded.origin_ is not None
    assert loaded.origin_ == detector.origin_ == pickle.loads(pickle.dumps(detector)).origin_
    assert loaded.origin_.encoder == PixelEncoder(8).identity
    assert (loaded.origin_.source, loaded.origin_.left_out, loaded.origin_.notes) == ("parts", (), ())


def test_raw_rows_are_scored_as_their_features(detector: AnoOnlyDetector, tmp_path: Path) -> None:
    rows = score_rows(detector, made_images(NEW), encoder_of(detector), workers=1)
    out = tmp_path / "new.npz"
    make_features(made_images(NEW), PixelEncoder(8), out, workers=1)
    expected = score_table(detector, read_table(out), "new")
    assert (rows.scored.scores == expected.scores).all()
    assert rows.scored.rows.tolist() == [0, 2, 4]
    assert rows.names == ("new 1.png", "new 2.png", "good/7.png")
    assert [left.name for left in rows.left_out] == ["damaged.png", "kills.png"]
    assert rows.notes == ("1 image: It is pale.",)


def test_one_row_has_the_score_that_it_has_among_others(detector: AnoOnlyDetector) -> None:
    encoder = encoder_of(detector)
    many = score_rows(detector, made_images(NAMES), encoder, workers=1)
    one = score_rows(detector, made_images(NAMES[7:8]), encoder, workers=1)
    assert one.scored.scores[0] == many.scored.scores[7]


@pytest.mark.parametrize("side", [7, 9])
def test_features_of_another_encoder_are_refused_by_names_of_both(
    detector: AnoOnlyDetector, tmp_path: Path, side: int
) -> None:
    other = PixelEncoder(8)
    other.identity = PixelEncoder(side).identity.model_copy(update={"dimension": 64})
    out = tmp_path / "other.npz"
    make_features(made_images(NEW[:1]), other, out, workers=1)
    with pytest.raises(
        BadDataFile, match=rf"of pixels \(64 features, crop {side}, resize {side}\), and .*crop 8, resize"
    ):
        check_features(detector, out)


def test_the_same_features_and_plain_tables_pass(detector: AnoOnlyDetector, features: Path, tmp_path: Path) -> None:
    check_features(detector, features)
    np.savez(tmp_path / "plain.npz", X=np.zeros((3, 64)))
    check_features(detector, tmp_path / "plain.npz")


def test_rows_of_another_kind_are_refused(detector: AnoOnlyDetector) -> None:
    with pytest.raises(InvalidConfig, match=r"pixels is an encoder of images, and messages\.csv holds texts"):
        score_rows(detector, made_texts(["a"]), encoder_of(detector))


def test_weights_that_are_not_those_are_refused(detector: AnoOnlyDetector) -> None:
    assert detector.origin_ is not None
    identity: EncoderIdentity = detector.origin_.encoder.model_copy(update={"weights": "0" * 64})
    detector.origin_ = detector.origin_.model_copy(update={"encoder": identity})
    with pytest.raises(BadModelFile, match=r"are of pixels with weights 000000000000 .* name the same weights"):
        encoder_of(detector)


def test_a_detector_of_a_table_knows_no_encoder() -> None:
    detector = AnoOnlyDetector(epochs=1, random_state=0)
    X = np.random.default_rng(0).normal(size=(40, 3))
    detector.fit(X, np.arange(40) < 4)
    assert detector.origin_ is None
    with pytest.raises(InvalidInput, match="was fitted on a table and knows no encoder"):
        encoder_of(detector)


def test_a_file_of_an_earlier_version_loads(detector: AnoOnlyDetector, tmp_path: Path) -> None:
    path = tmp_path / "detector.safetensors"
    detector.save(path)
    document, tensors = read_model(path)
    del document["origin_"]
    write_model(path, document, tensors)
    loaded = AnoOnlyDetector.load(path)
    assert loaded.origin_ is None
    state = pickle.dumps(detector)
    del detector.origin_
    detector.save(path)
    assert AnoOnlyDetector.load(path).origin_ is None
    assert pickle.loads(state).origin_ is not None


@pytest.mark.parametrize("origin", ["x", {}, {"encoder": 1}, {"encoder": {}, "source": "a", "saved_by": "b"}, 7])
def test_a_forged_origin_is_refused(detector: AnoOnlyDetector, tmp_path: Path, origin: object) -> None:
    path = tmp_path / "detector.safetensors"
    detector.save(path)
    document, tensors = read_model(path)
    write_model(path, {**document, "origin_": origin}, tensors)
    with pytest.raises(BadModelFile, match="does not hold what a saved AnoOnlyDetector holds"):
        AnoOnlyDetector.load(path)


def test_texts_are_scored_as_well(tmp_path: Path) -> None:
    out = tmp_path / "messages.npz"
    texts = [f"{'leak' if number % 5 == 0 else 'fine'} number {number}" for number in range(40)]
    make_features(made_texts(texts, ["bad" if "leak" in text else "good" for text in texts]), Words(), out)
    detector = detector_for_run(make_config(dataset=f"{out}?label=y&anomaly=bad", epochs=1))
    rows = score_rows(detector, made_texts(["a leak", "empty", "fine"]), encoder_of(detector))
    assert rows.scored.rows.tolist() == [0, 2]
    assert rows.names == ("a leak", "fine")
