"""Pickles and files of a detector: equal bits in other processes, and no trust in a file."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from anoonly_core.baselines import BASELINES
from anoonly_core.detector import serialization
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.serialization import read_model, write_model
from anoonly_core.errors import BadModelFile, InvalidInput
from anoonly_core.models import METHODS
from anoonly_core.models.feawad import FEAWAD
from anoonly_core.results import keys
from tests.core.detector.detectors import detector, is_one_sentence, table

pytestmark = pytest.mark.usefixtures("short_pretraining")

ROOT = Path(__file__).parents[3]


def saved(folder: Path, baseline: str = "DevNet", **settings: Any) -> tuple[AnoOnlyDetector, Path]:
    """Return a fitted detector and the file that it was saved to."""
    fitted = detector(baseline, **settings).fit(*table())
    path = folder / f"{baseline}.safetensors"
    fitted.save(path)
    return fitted, path


def test_pickles_and_files_give_equal_bits_in_a_new_process(tmp_path: Path) -> None:
    X, _ = table(seed=1)
    for baseline in METHODS:
        fitted, _ = saved(tmp_path, baseline)
        np.save(tmp_path / f"{baseline}.npy", fitted.decision_function(X))
        (tmp_path / f"{baseline}.pickle").write_bytes(pickle.dumps(fitted))
    np.save(tmp_path / "X.npy", X)
    script = (
        "import pickle, sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "folder, names = Path(sys.argv[1]), sys.argv[2:]\n"
        "X = np.load(folder / 'X.npy')\n"
        "for name in names:\n"
        "    expected = np.load(folder / f'{name}.npy')\n"
        "    fitted = pickle.loads((folder / f'{name}.pickle').read_bytes())\n"
        "    assert np.array_equal(fitted.decision_function(X), expected), name\n"
        "    loaded = type(fitted).load(folder / f'{name}.safetensors')\n"
        "    assert np.array_equal(loaded.decision_function(X), expected), name\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), *METHODS], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("baseline", METHODS)
def test_a_loaded_detector_equals_the_saved_one(baseline: str, tmp_path: Path) -> None:
    X, y = table()
    frame = pd.DataFrame(X, columns=["a", "b", "ü\n", "d"])
    fitted = detector(baseline, contamination=0.2, epochs=np.int64(2)).fit(frame, y)
    fitted.save(tmp_path / "one")
    loaded = AnoOnlyDetector.load(str(tmp_path / "one"))
    assert loaded.get_params() == fitted.get_params()
    assert vars(loaded).keys() == vars(fitted).keys()
    assert loaded.threshold_ == fitted.threshold_ and loaded.config_ == fitted.config_
    assert loaded.n_features_in_ == 4 and loaded.feature_names_in_.tolist() == frame.columns.tolist()
    assert np.array_equal(loaded.decision_scores_, fitted.decision_scores_)
    assert np.array_equal(loaded.labels_, fitted.labels_)
    assert np.array_equal(loaded.decision_function(frame), fitted.decision_function(frame))
    assert np.array_equal(loaded.predict(frame), fitted.labels_)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame[["b", "a", "ü\n", "d"]])
    assert np.array_equal(clone(loaded).fit(frame, y).decision_scores_, fitted.decision_scores_)
    loaded.save(tmp_path / "one")  # over the file that it came from
    again = AnoOnlyDetector.load(tmp_path / "one")
    assert np.array_equal(again.decision_function(frame), loaded.decision_function(frame))
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_drawn_seed_replaces_its_random_state(tmp_path: Path) -> None:
    fitted, path = saved(tmp_path, random_state=np.random.RandomState(0))
    again = AnoOnlyDetector.load(path)
    assert again.random_state == fitted.config_["seed"]
    assert np.array_equal(clone(again).fit(*table()).decision_scores_, fitted.decision_scores_)
    assert AnoOnlyDetector.load(saved(tmp_path, random_state=None)[1]).random_state is None


@pytest.mark.parametrize("baseline", METHODS)
def test_a_file_has_only_the_documented_training_rows(baseline: str, tmp_path: Path) -> None:
    """PReNet's partners and REPEN's reference are scaled rows; no other tensor has a training row in it."""
    fitted, path = saved(tmp_path, baseline)
    X = table()[0].astype(np.float32)
    scaled = (X - X.min(axis=0)) / (X.max(axis=0) - X.min(axis=0))
    _, tensors = read_model(path)
    holding = {name for name, tensor in tensors.items() for rows in (X, scaled) if _holds_a_row(tensor.numpy(), rows)}
    rows_needed = {"PReNet": {"head.partners_anomaly", "head.partners_pool"}, "REPEN": {"head.reference"}}
    assert holding == rows_needed.get(baseline, set())
    assert fitted.n_features_in_ == 4


def _holds_a_row(tensor: np.ndarray, rows: np.ndarray) -> bool:
    flat = tensor.astype(np.float32).tobytes()
    return any(row.tobytes() in flat for row in rows)


def test_save_needs_a_fitted_detector_and_an_existing_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        detector().save(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        detector().fit(*table()).save(tmp_path / "nowhere" / "model")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        detector().fit(*table()).save(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def refused(path: Path) -> str:
    """Return the sentence with which a file is refused."""
    with pytest.raises(BadModelFile) as caught:
        AnoOnlyDetector.load(path)
    assert is_one_sentence(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path / "absent")
    assert "cannot be read" in refused(tmp_path)
    (tmp_path / "empty").touch()
    assert "damaged" in refused(tmp_path / "empty")
    (tmp_path / "text").write_text("y,a,b\n0,1,2\n")
    assert "no .safetensors file" in refused(tmp_path / "text")
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(3)}, tmp_path / "other", metadata={"format": "pt"})
    assert "holds no AnoOnlyDetector" in refused(tmp_path / "other")
    save_file({"weight": torch.zeros(3)}, tmp_path / "later", metadata={"format": "anoonly-detector/2"})
    assert "anoonly-detector/2" in refused(tmp_path / "later")


class _Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "pickle").write_bytes(pickle.dumps(_Payload(trace)))
    torch.save(_Payload(trace), tmp_path / "torch")
    for name in ("pickle", "torch"):
        refused(tmp_path / name)
    assert not trace.exists()
    pickle.loads((tmp_path / "pickle").read_bytes())
    assert trace.exists()  # the payload is one


def test_a_file_with_any_byte_changed_or_missing_is_refused(tmp_path: Path) -> None:
    _, path = saved(tmp_path)
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    places = [*range(header), *range(header, len(whole), 23)]
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        refused(path)
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        refused(path)
    path.write_bytes(whole + b"\0")
    refused(path)


def test_a_file_of_another_version_of_the_head_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = saved(tmp_path)
    with monkeypatch.context() as patch:
        patch.setitem(BASELINES, "DevNet", replace(BASELINES["DevNet"], revision=99))
        assert "DevNet scores differently" in refused(path)
    with monkeypatch.context() as patch:
        patch.setattr(keys, "ENGINE_REVISION", 99)
        assert "fit it again" in refused(path)
    AnoOnlyDetector.load(path)


Contents = tuple[dict[str, Any], dict[str, torch.Tensor]]


def _without(kind: int, name: str) -> Callable[[Contents], None]:
    return lambda contents: contents[kind].pop(name)  # type: ignore[call-overload]


def _with(kind: int, name: str, value: Any) -> Callable[[Contents], None]:
    return lambda contents: contents[kind].update({name: value})  # type: ignore[call-overload]


MADE_UP: dict[str, Callable[[Contents], None]] = {
    "no settings": _without(0, "config_"),
    "no parameters": _without(0, "params"),
    "no threshold": _without(0, "threshold_"),
    "threshold is no number": _with(0, "threshold_", float("nan")),
    "threshold is a list": _with(0, "threshold_", [1]),
    "threshold is huge": _with(0, "threshold_", 10**400),
    "unknown parameter": _with(0, "params", {"command": "rm"}),
    "unknown baseline": _with(0, "config_", {"baseline": "os"}),
    "a comparator that is not ours": _with(0, "config_", {"baseline": "XGBOD"}),
    "too few names": _with(0, "feature_names_in_", ["a"]),
    "names of another kind": _with(0, "feature_names_in_", [1, 2, 3, 4]),
    "no weight": _without(1, "head.parts.score.steps.0.weight"),
    "no range": _without(1, "minimum"),
    "another tensor": _with(1, "head.more", torch.zeros(1)),
    "another name": _with(1, "more", torch.zeros(1)),
    "weight of another type": _with(1, "head.parts.score.steps.0.bias", torch.zeros(1, 1, 1, dtype=torch.float64)),
    "weight of another shape": _with(1, "head.parts.score.steps.0.bias", torch.zeros(1, 1, 2)),
    "range of another type": _with(1, "minimum", torch.zeros(4, dtype=torch.float64)),
    "range of another shape": _with(1, "scale", torch.ones(4, 1)),
    "range that is not finite": _with(1, "scale", torch.full((4,), torch.nan)),
    "range of far more columns": _with(1, "minimum", torch.zeros(3_000_000)),
    "no rows' scores": _with(1, "decision_scores_", torch.zeros(())),
}


@pytest.mark.parametrize("change", MADE_UP.values(), ids=MADE_UP)
def test_a_forged_detector_file_is_refused(change: Callable[[Contents], None], tmp_path: Path) -> None:
    _, path = saved(tmp_path)
    contents = read_model(path)
    write_model(path, *contents)
    AnoOnlyDetector.load(path)
    change(contents)
    write_model(path, *contents)
    refused(path)


def test_reading_a_file_takes_no_more_memory_than_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FEAWAD's first layer is columns × columns: a small file could ask for terabytes."""
    places = []

    class Watched(FEAWAD):
        def __init__(self, *shape: Any) -> None:
            super().__init__(*shape)
            places.append({parameter.device.type for parameter in self.parameters()})

    _, path = saved(tmp_path, "FEAWAD")
    contents = read_model(path)
    contents[1].update(minimum=torch.zeros(1000), scale=torch.ones(1000), median=torch.zeros(1000))
    write_model(path, *contents)
    monkeypatch.setitem(METHODS, "FEAWAD", Watched)
    refused(path)
    assert places == [{"meta"}]


def _forged(path: Path, header: str | bytes, length: int | None = None) -> None:
    """Write a .safetensors file with this header and nothing that fits it."""
    content = header.encode() if isinstance(header, str) else header
    path.write_bytes((len(content) if length is None else length).to_bytes(8, "little") + content)


def _with_document(path: Path, text: str) -> None:
    """Write a file with a valid checksum and this text as its document."""
    from safetensors.torch import save_file

    tensors = {"minimum": torch.zeros(4)}
    metadata = {"format": serialization.FORMAT, "detector": text, "sha256": serialization._digest(text, tensors)}
    save_file(tensors, path, metadata=metadata)


def _tensor(dimensions: int) -> str:
    return f'{{"dtype":"F32","shape":[{",".join("1" * dimensions)}],"data_offsets":[0,0]}}'


HARMFUL_DOCUMENTS = {
    "nested deep": "[" * 200_000 + "]" * 200_000,
    "objects nested deep": '{"a":' * 200_000 + "1" + "}" * 200_000,
    "a long number": f'{{"revision": {"9" * 100_000}}}',
    "a long fraction": f'{{"threshold_": 0.{"9" * 100_000}}}',
    "empty lists": f"[{'[],' * 3_000_000}[]]",
    "no JSON": "{",
    "no text": "",
    "another kind": "[1, 2]",
}
HARMFUL_HEADERS = {
    "nested deep": "[" * 200_000,
    "a long number": f'{{"a": {"9" * 100_000}}}',
    "empty lists": f'{{"__metadata__": [{"[]," * 3_000_000}[]]}}',
    "many tensors": "{" + ",".join(f'"{number}":{_tensor(1)}' for number in range(20_000)) + "}",
    "many dimensions": f'{{"a":{_tensor(100_000)}}}',
    "shape is no list": '{"a":{"dtype":"F32","shape":3,"data_offsets":[0,0]}}',
    "no shape": '{"a":{"dtype":"F32"}}',
    "a list": "[]",
    "no text": b"\xff\xfe",
    "large": " " * (serialization.MAX_HEADER + 1),
}


@pytest.mark.parametrize("text", HARMFUL_DOCUMENTS.values(), ids=HARMFUL_DOCUMENTS)
def test_a_hostile_document_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    _with_document(path, text)
    assert "does not hold what a saved AnoOnlyDetector holds" in refused(path)


@pytest.mark.parametrize("header", HARMFUL_HEADERS.values(), ids=HARMFUL_HEADERS)
def test_a_hostile_header_is_refused_before_parsing(
    header: str | bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise AssertionError("the file was opened as .safetensors")

    path = tmp_path / "file"
    _forged(path, header)
    monkeypatch.setattr(serialization, "safe_open", unreachable)
    refused(path)


@pytest.mark.parametrize("length", [0, 1, 2**24, 2**24 + 1, 2**40, 2**63, 2**64 - 1])
def test_a_header_with_a_wrong_length_is_refused(length: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    _forged(path, "{}", length)
    assert "no .safetensors file, or a damaged one" in refused(path)


def test_a_file_above_the_size_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(serialization.MAX_BYTES + 1)  # takes no room on the disk
    assert "too large" in refused(path)


def test_a_detector_beyond_the_limits_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted, path = saved(tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr(serialization, "MAX_HEADER", 100)
    with pytest.raises(InvalidInput, match="too large for a file"):
        fitted.save(path)
    assert path.read_bytes() == before
