"""Command `features`: images and texts to files that every other command reads, and refusals in one sentence."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

from anoonly_core.cli import features
from anoonly_core.cli import main as cli
from anoonly_core.cli.schema import load_schema
from anoonly_core.data.adbench import files as adbench
from anoonly_core.data.adbench.files import git_blob_sha1
from anoonly_core.data.feature_files import read_about, read_previews
from anoonly_core.features.encoders.registry import ENCODERS
from anoonly_core.features.run import partial_folder

Image = pytest.importorskip("PIL.Image")
PIXELS = ("--encoder", "pixels", "--crop", "6", "--workers", "1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures of two labels, a table of messages, features of the pictures and a detector of them."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    for number in range(48):
        label = "bad" if number % 4 == 0 else "good"
        (folder / "parts" / label).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 128, (12, 12, 3)) + (100 if label == "bad" else 0)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"parts/{label}/{number:02}.png")
    words = ["all is well here", "the pump works as it should", "leak under the pump"]
    texts = [f"{words[number % 3]}, day {number}" for number in range(30)]
    pd.DataFrame({"message": texts, "state": ["fine", "fine", "leak"] * 10}).to_csv(
        folder / "messages.csv", index=False
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        assert cli.main(["features", "parts", *PIXELS, "--out", "given.npz"]) == 0
        assert cli.main(["features", "parts", "--encoder", "pixels", "--crop", "5", "--out", "other.npz"]) == 0
        fit = ["fit", "given.npz?label=y&anomaly=bad", "--epochs", "3", "--out", "given.safetensors"]
        assert cli.main(fit) == 0
    return folder


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Change into a copy of that folder."""
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ANOONLY_DATA", raising=False)
    shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    capsys.readouterr()
    return tmp_path


def features_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(["features", *arguments])
    return (code, *capsys.readouterr())


def test_pictures_become_a_file_that_run_reads(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = features_of(capsys, "parts", *PIXELS, "--out", "parts.npz")
    assert (code, out) == (0, "parts.npz: 48 images × 36 features; labels: bad 12, good 36\n")
    assert err == ""
    assert cli.main(["run", "--dataset", "parts.npz?label=y&anomaly=bad", "--epochs", "3", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["metrics"]["aucroc"] > 0.9


def test_texts_become_a_file_that_run_reads(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("messages.csv", "--encoder", "words", "--text", "message", "--label", "state", "--anomaly", "leak")
    code, out, _ = features_of(capsys, *arguments, "--out", "messages.npz")
    assert (code, out) == (0, "messages.npz: 30 texts × 1,024 features; labels: fine 20, leak 10\n")
    with np.load("messages.npz") as archive:
        assert archive["y"].tolist() == [0, 0, 1] * 10
    previews = read_previews(Path("messages.npz"))
    assert previews is not None and previews.text(2) == "leak under the pump, day 2"
    assert cli.main(["run", "--dataset", "messages.npz", "--epochs", "2", "--json"]) == 0


def test_a_file_with_labels_0_and_1_is_read_like_one_of_adbench(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "CV_by_ResNet18"
    folder.mkdir(parents=True)
    out = folder / "parts.npz"
    assert features_of(capsys, "parts", *PIXELS, "--anomaly", "bad", "--out", str(out))[0] == 0
    monkeypatch.setenv("ANOONLY_DATA", str(tmp_path / "data"))
    template = next(entry for entry in adbench.manifest().values() if entry.folder == "CV_by_ResNet18")
    entry = replace(template, name="parts", bytes=out.stat().st_size, git_blob_sha1=git_blob_sha1(out), sha256=None)
    X, y = adbench.load_arrays(entry)
    assert X.shape == (48, 36) and X.dtype == np.float32
    assert (y.dtype.kind, int(y.sum()), len(y)) == ("u", 12, 48)


@pytest.mark.parametrize("listed", [False, True])
def test_the_output_fits_the_schema(capsys: pytest.CaptureFixture[str], listed: bool) -> None:
    Path("parts/bad/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    arguments = ("--list",) if listed else ("parts", *PIXELS, "--out", "parts.npz")
    code, out, err = features_of(capsys, *arguments, "--json")
    report = json.loads(out)
    assert code == 0
    jsonschema.Draft202012Validator(load_schema("features")).validate(report)
    if listed:
        assert [entry["name"] for entry in report] == [*ENCODERS]
        return
    about = read_about(Path("parts.npz"))
    assert about is not None
    assert report["left_out"] == [left.model_dump() for left in about.left_out]
    assert [left["name"] for left in report["left_out"]] == ["bad/broken.png"]
    assert report["encoder"] == about.encoder.model_dump(mode="json")
    assert "1 row was left out: bad/broken.png" in err


def test_the_list_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = features_of(capsys, "--list")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert code == 0 and [*lines] == [*ENCODERS]
    assert lines["pixels"].endswith("ready")
    assert lines["resnet18"].split()[:2] == ["image", "512"]
    assert "a file, as weights" in lines["onnx-images"]


def test_a_stopped_command_goes_on_where_it_was(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:

        def interrupt(show: object, kind: str) -> object:
            def report(done: int, total: int) -> None:
                if done:
                    raise KeyboardInterrupt

            return report

        patched.setattr(features, "_told", interrupt)
        code, _, err = features_of(capsys, "parts", *PIXELS, "--out", "parts.npz")
    assert (code, err) == (130, "Stopped. The same command goes on where it was.\n")
    assert partial_folder(Path("parts.npz")).is_dir()
    code, out, err = features_of(capsys, "parts", *PIXELS, "--out", "parts.npz", "--json")
    assert code == 0 and "Going on after 16 of 48 images." in err
    assert json.loads(out)["resumed_at"] == 16


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Name a SOURCE, --encoder (pixels, resnet18,"),
        (("parts", "--encoder", "pixels"), "Name a SOURCE, --encoder"),
        (("parts", "--encoder", "pixel", "--out", "x.npz"), "There is no encoder called 'pixel'"),
        (("parts", "--encoder", "words", "--out", "x.npz"), "words is an encoder of texts, and parts holds images"),
        (("absent", "--encoder", "pixels", "--out", "x.npz"), "There is no folder and no file absent."),
        (("parts", "--encoder", "pixels", "--out", "x.csv"), "--out must end in .npz, not 'x.csv'."),
        (("parts", "--encoder", "pixels", "--out", "absent/x.npz"), "There is no folder"),
        (("parts", "--encoder", "pixels", "--out", "x.npz", "--crop", "x"), "--crop must be a whole number"),
        (("parts", "--encoder", "pixels", "--out", "x.npz", "--crop", "0"), "must be from 1 to 100, not 0"),
        (("parts", "--encoder", "pixels", "--out", "x.npz", "--mean", "1,x"), "--mean must be three numbers"),
        (("parts", "--encoder", "pixels", "--out", "x.npz", "--resize", "8"), "takes the choices crop, not 'resize'"),
        (("parts", "--encoder", "pixels", "--out", "x.npz", "--seed", "1"), "--seed is that of --weights random"),
        (("parts", "--encoder", "pixels", "--out", "x.npz", "--weights", "random"), "has no weights"),
        (("parts", "--encoder", "pixels", "--out", "x.npz", "--workers", "0"), "--workers must be a whole number"),
        (("parts", "--encoder", "pixels", "--out", "x.npz", "--minutes", "0"), "--minutes must be a number above 0"),
        (
            ("parts", "--encoder", "pixels", "--out", "x.npz", "--anomaly", "bda"),
            "has the label 'bda': did you mean bad",
        ),
        (("parts", "--encoder", "pixels", "--out", "x.npz", "--text", "a"), "holds images, which have no columns"),
        (("parts", "--encoder", "pixels", "--out", "x.npz", "--label", "absent.csv"), "absent.csv"),
        (("messages.csv", "--encoder", "words", "--out", "x.npz", "--text", "absent"), "absent"),
        (("messages.csv", "--encoder", "words", "--out", "x.npz", "--label", "absent"), "absent"),
        (("parts", "--encoder", "onnx-images", "--out", "x.npz"), "onnx-images needs --weights"),
    ],
)
def test_what_cannot_be_done_is_refused_by_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    code, out, err = features_of(capsys, *arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
    assert not Path("x.npz").exists()


def test_a_table_in_an_archive_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    pd.read_csv("messages.csv").assign(number=range(100, 130)).to_csv(
        "messages.zip", index=False, compression={"method": "zip", "archive_name": "a.csv"}
    )
    arguments = ("messages.zip", "--encoder", "words", "--text", "message", "--label", "none", "--names", "number")
    code, out, _ = features_of(capsys, *arguments, "--out", "messages.npz")
    assert (code, out) == (0, "messages.npz: 30 texts × 1,024 features\n")
    previews = read_previews(Path("messages.npz"))
    assert previews is not None and previews.name(2) == "102"


# Scoring raw rows

DETECTOR = "given.safetensors"


def scores_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(["score", *arguments])
    return (code, *capsys.readouterr())


def test_new_pictures_are_scored_as_their_features(capsys: pytest.CaptureFixture[str]) -> None:
    Path("parts/good/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    code, out, err = scores_of(capsys, DETECTOR, "parts", "--workers", "1")
    assert code == 0
    assert "1 images are not scored" not in err and "1 image is not scored: good/broken.png (" in err
    lines = [line.split(",") for line in out.splitlines()]
    assert lines[0] == ["row", "name", "score", "p_value", "flagged"]
    assert [line[1] for line in lines[1:3]] == ["bad/00.png", "bad/04.png"]
    assert scores_of(capsys, DETECTOR, "given.npz")[1] == out
    code, out, _ = scores_of(capsys, DETECTOR, "parts", "--json", "--top", "1", "--sort")
    report = json.loads(out)
    jsonschema.Draft202012Validator(load_schema("score")).validate(report)
    assert (report["rows"], report["left_out"]) == (48, 1)
    assert report["scores"][0]["name"].endswith(".png")


def test_new_texts_are_scored(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("messages.csv", "--encoder", "words", "--text", "message", "--label", "state", "--anomaly", "leak")
    assert features_of(capsys, *arguments, "--out", "messages.npz")[0] == 0
    assert cli.main(["fit", "messages.npz", "--epochs", "3", "--out", "d.safetensors"]) == 0
    long = "the pump works as it should, " * 2000
    pd.DataFrame({"message": ["a leak under the pump", "", long], "place": ["a", "b", "c"]}).to_csv(
        "new.csv", index=False
    )
    capsys.readouterr()
    code, out, err = scores_of(capsys, "d.safetensors", "new.csv", "--text", "message")
    assert code == 0, err
    assert [line.split(",")[0] for line in out.splitlines()] == ["row", "0", "1"]
    code, plain, _ = scores_of(capsys, "d.safetensors", "messages.npz")
    assert code == 0 and plain.splitlines()[0] == "row,name,score,p_value,flagged"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("other.npz",), "other.npz holds features of pixels (25 features, crop 5, resize 5), and the detector"),
        (("parts", "--id", "name"), "--id copies columns of a table of features"),
        (("parts", "--weights", "x.pth"), "The encoder pixels has no weights"),
        (("given.npz", "--weights", "x.pth"), "given.npz holds no images or texts to encode: leave --weights out"),
        (("messages.csv",), "messages.csv lacks columns that the features are made of"),
        (("empty",), "holds no image"),
    ],
)
def test_rows_that_do_not_fit_the_detector_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    Path("empty").mkdir()
    code, out, err = scores_of(capsys, DETECTOR, *arguments)
    assert (code, out) == (2, "")
    assert sentence in err and err.count("\n") == 1


def test_pictures_are_refused_by_a_detector_of_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    pd.DataFrame(rng.normal(size=(40, 3))).assign(label=(np.arange(40) < 6).astype(int)).to_csv("rows.csv", index=False)
    assert cli.main(["fit", "rows.csv", "--epochs", "1", "--out", "d.safetensors"]) == 0
    capsys.readouterr()
    code, _, err = scores_of(capsys, "d.safetensors", "parts")
    assert (code, err.count("\n")) == (2, 1)
    assert "was fitted on a table and knows no encoder" in err
