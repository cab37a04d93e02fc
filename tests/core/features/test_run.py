"""Feature files from raw rows: the same bits for every number of workers, chunk and interruption, and all limits."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anoonly_core.data.feature_files import read_about, read_previews
from anoonly_core.errors import AnoOnlyError, BadDataFile, InvalidConfig
from anoonly_core.features import run
from anoonly_core.features.decoder import Decoder
from anoonly_core.features.encoders.pixels import PixelEncoder
from anoonly_core.features.encoding import encode_rows
from anoonly_core.features.run import make_features, partial_folder
from tests.core.features.sources import LengthEncoder, MadeImages, made_images, made_texts

ROOT = Path(__file__).parents[3]
NAMES = [f"good/{number}.png" for number in range(30)] + [f"bad/{number}.png" for number in range(10)]
LABELS = [name.partition("/")[0] for name in NAMES]
ENCODER = PixelEncoder(8)


class Stopped(Exception):
    pass


def stop_at(rows: int) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        if done >= rows:
            raise Stopped

    return report


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "parts.npz"


def test_features_names_previews_and_labels_of_all_rows_are_written(out: Path) -> None:
    source = made_images(NAMES, LABELS)
    progress: list[tuple[int, int]] = []
    summary = make_features(source, ENCODER, out, lambda done, total: progress.append((done, total)), 1)
    rows = [row.content for row in source.read(range(40), {})]  # type: ignore[union-attr]
    content, previews = arrays(out), read_previews(out)
    assert (content["X"] == ENCODER.encode(rows)).all()
    assert content["y"].tolist() == LABELS
    assert previews is not None
    assert [previews.name(row) for row in range(40)] == NAMES
    assert previews.picture(3) == NAMES[3].encode() * 3
    assert (summary.rows, summary.features, summary.left_out, summary.resumed_at) == (40, 64, 0, 0)
    assert summary.labels == {"bad": 10, "good": 30}
    assert summary.notes == ("1 image: It is pale.",)
    assert progress[0] == (0, 40) and progress[-1] == (40, 40)
    assert progress == sorted(progress)
    assert not partial_folder(out).exists()


@pytest.mark.parametrize(("workers", "chunk_rows"), [(2, 7), (3, 1)])
def test_the_file_does_not_depend_on_workers_and_rows_at_a_time(out: Path, workers: int, chunk_rows: int) -> None:
    names = [*NAMES[:12], "damaged/1.png", *NAMES[12:]]
    make_features(made_images(names), ENCODER, out, workers=1)
    expected = out.read_bytes()
    make_features(made_images(names), ENCODER, out, workers=workers, chunk_rows=chunk_rows)
    assert out.read_bytes() == expected


@pytest.mark.parametrize("chunks", [(5, 3), (3, 16)])
def test_an_interrupted_run_goes_on_and_gives_the_same_file(out: Path, chunks: tuple[int, int]) -> None:
    names = [*NAMES[:4], "damaged/1.png", *NAMES[4:]]
    make_features(made_images(names, LABELS[:1] + LABELS), ENCODER, out, workers=1)
    expected = out.read_bytes()
    out.unlink()
    source = made_images(names, LABELS[:1] + LABELS)
    with pytest.raises(Stopped):
        make_features(source, ENCODER, out, stop_at(15), 1, chunk_rows=chunks[0])
    assert partial_folder(out).is_dir() and not out.exists()
    done: list[int] = []
    summary = make_features(source, ENCODER, out, lambda rows, _: done.append(rows), 1, chunk_rows=chunks[1])
    assert done[0] == summary.resumed_at == 15
    assert out.read_bytes() == expected
    assert not partial_folder(out).exists()


@pytest.mark.parametrize("change", ["row", "label", "encoder"])
def test_a_run_on_other_rows_or_by_another_encoder_starts_anew(out: Path, change: str) -> None:
    with pytest.raises(Stopped):
        make_features(made_texts(NAMES, LABELS), LengthEncoder(), out, stop_at(20), 1, chunk_rows=5)
    names = ["new.png", *NAMES[1:]] if change == "row" else NAMES
    labels = ["bad", *LABELS[1:]] if change == "label" else LABELS
    encoder = LengthEncoder()
    if change == "encoder":
        encoder.identity = encoder.identity.model_copy(update={"weights": "0"})
    assert make_features(made_texts(names, labels), encoder, out, workers=1).resumed_at == 0


@pytest.mark.parametrize("damage", ["half a line", "lost features", "no JSON", "another shape", "empty log"])
def test_a_damaged_partial_run_goes_on_where_it_is_whole(out: Path, damage: str) -> None:
    make_features(made_texts(NAMES), LengthEncoder(), out, workers=1)
    expected = out.read_bytes()
    with pytest.raises(Stopped):
        make_features(made_texts(NAMES), LengthEncoder(), out, stop_at(20), 1, chunk_rows=5)
    log, features = (partial_folder(out) / name for name in ("log.jsonl", "features.bin"))
    lines = log.read_bytes().splitlines(keepends=True)
    assert len(lines) == 5
    whole = {"empty log": 0, "lost features": 15}.get(damage, 20)
    if damage == "half a line":
        log.write_bytes(b"".join(lines) + b"[25, [3")
        features.write_bytes(features.read_bytes() + b"more")
    elif damage == "lost features":
        features.write_bytes(features.read_bytes()[:-1])
    elif damage == "no JSON":
        log.write_bytes(b"".join(lines) + b"?\n")
    elif damage == "another shape":
        log.write_bytes(b"".join(lines) + b"[25, [3], [], {}]\n")
    else:
        log.write_bytes(b"")
    assert make_features(made_texts(NAMES), LengthEncoder(), out, workers=1).resumed_at == whole
    assert out.read_bytes() == expected


KILLED = """
import os, sys
from pathlib import Path
from anoonly_core.features.encoders.pixels import PixelEncoder
from anoonly_core.features.run import make_features
from tests.core.features.sources import made_images
NAMES = [f"good/{number}.png" for number in range(30)] + [f"bad/{number}.png" for number in range(10)]
def report(done, total):
    if done >= 20:
        os._exit(9)
if __name__ == "__main__":
    make_features(made_images(NAMES), PixelEncoder(8), Path(sys.argv[1]), report, 1, chunk_rows=5)
"""


def test_a_killed_run_goes_on_where_it_was(out: Path, tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script, out], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    assert make_features(made_images(NAMES), ENCODER, out, workers=1).resumed_at == 20
    assert arrays(out)["X"].shape == (40, 64)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such lock")
def test_two_processes_do_not_write_the_same_file(out: Path) -> None:
    partial_folder(out).mkdir()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys; file = open(sys.argv[1], 'ab'); fcntl.flock(file, fcntl.LOCK_EX); print(flush=True); "
            "input()",
            partial_folder(out) / "log.jsonl",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline()
        with pytest.raises(BadDataFile, match=r"Another process writes to .*parts\.npz\.partial: wait for it"):
            make_features(made_texts(["a"]), LengthEncoder(), out)
    finally:
        holder.communicate(b"\n")


def test_what_kills_raises_or_fills_a_decoder_costs_its_own_row_only(out: Path) -> None:
    names = ["1.png", "kills.png", "2.png", "raises.png", "3.png", "fills.png", "damaged.png", "4.png"]
    summary = make_features(made_images(names), ENCODER, out, workers=1, chunk_rows=4)
    about = read_about(out)
    assert about is not None
    assert {left.name: left.reason for left in about.left_out} == {
        "kills.png": "decoding it crashes its process",
        "raises.png": "decoding it fails (ZeroDivisionError)",
        "fills.png": "decoding it needs too much memory",
        "damaged.png": "it is truncated",
    }
    assert (summary.rows, summary.left_out) == (4, 4)
    assert summary.notes[-1].startswith("parts: 4 rows were left out: kills.png (decoding it crashes its process), ")
    expected = [row.content for row in made_images([*names[::2][:3], "4.png"]).read(range(4), {})]  # type: ignore[union-attr]
    assert (arrays(out)["X"] == ENCODER.encode(expected)).all()


def test_a_row_that_hangs_is_left_out_after_its_time() -> None:
    source = made_images(["1.png", "hangs.png"])
    decoder = Decoder(source, {}, seconds=0.5)
    try:
        # A busy machine may take longer for a good row as well, so only the bad one is certain.
        (answer,) = decoder.read([1])
        assert getattr(answer, "reason", "") == "decoding it takes longer than 0.5 s"
    finally:
        decoder.close()


def test_closing_a_decoder_ends_its_read() -> None:
    decoder = Decoder(made_images(["hangs.png"]), {})
    decoder.start()
    threading.Timer(0.3, decoder.close).start()
    with pytest.raises(AnoOnlyError):
        decoder.read([0])
    decoder.close()  # the other thread may still wait for the end
    assert decoder.id is None


def test_no_decoder_outlives_a_run(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Decoder] = []

    class Noted(Decoder):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr("anoonly_core.features.encoding.Decoder", Noted)
    with pytest.raises(Stopped):
        make_features(made_images(NAMES), ENCODER, out, stop_at(20), 2, chunk_rows=5)
    assert len(made) == 2
    assert [decoder.id for decoder in made] == [None, None]


UNGUARDED = """
import sys
from pathlib import Path
from anoonly_core.features.encoders.pixels import PixelEncoder
from anoonly_core.features.run import make_features
from tests.core.features.sources import made_images
make_features(made_images(["1.png", "2.png"]), PixelEncoder(8), Path(sys.argv[1]), workers=1)
"""


def test_a_script_without_a_guard_reads_in_its_own_process(out: Path, tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(UNGUARDED)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, script, out], env=environment, cwd=tmp_path, capture_output=True, check=True)
    assert arrays(out)["X"].shape == (2, 64)


def test_texts_are_read_and_rows_without_finite_features_are_left_out(out: Path) -> None:
    source = made_texts(["a", "empty", "bbb", "infinite"], ["x", "x", "y", "y"])
    summary = make_features(source, LengthEncoder(), out, chunk_rows=3)
    about = read_about(out)
    assert about is not None
    assert arrays(out)["X"].tolist() == [[1.0], [3.0]]
    assert [(left.name, left.reason) for left in about.left_out] == [
        ("empty", "it is empty"),
        ("infinite", "its features are not finite"),
    ]
    assert summary.notes == about.sentences
    assert about.notes == LengthEncoder.notes


@pytest.mark.parametrize(
    ("labels", "anomalies", "expected", "dtype"),
    [
        (None, (), None, ""),
        (["", "", ""], (), None, ""),
        (["good", "bad", ""], (), ["good", "bad", ""], "U"),
        (["good", "bad", "odd"], ("bad", "odd"), [0, 1, 1], "u"),
        (["good", "bad", ""], ("bad",), ["0", "1", ""], "U"),
    ],
)
def test_labels_are_words_or_0_and_1(
    out: Path, labels: list[str] | None, anomalies: tuple[str, ...], expected: list[Any] | None, dtype: str
) -> None:
    make_features(made_texts(["a", "bb", "ccc"], labels), LengthEncoder(), out, anomalies=anomalies)
    y = arrays(out).get("y")
    assert (None if y is None else y.tolist()) == expected
    assert y is None or y.dtype.kind == dtype


@pytest.mark.parametrize(
    ("labels", "anomalies", "note"),
    [
        (None, (), "No row has a label: rows can be ranked and labeled, and training needs labels."),
        (["good", "good"], (), "All labeled rows are good: training needs rows of another label, too."),
        (
            ["odd", "bad"],
            ("odd", "bad"),
            "All labeled rows are bad, odd: training needs rows of another label, too.",
        ),
        (["odd", "bad"], ("odd",), None),
    ],
)
def test_a_note_says_what_labels_no_training_can_use(
    out: Path, labels: list[str] | None, anomalies: tuple[str, ...], note: str | None
) -> None:
    summary = make_features(made_texts(["a", "b"], labels), LengthEncoder(), out, anomalies=anomalies)
    assert summary.notes[1:] == (() if note is None else (note,))


@pytest.mark.parametrize(
    ("names", "labels", "changes", "kind", "sentence"),
    [
        (["a", "b"], ["x" * 300, "y"], {}, BadDataFile, "has a label of 300 characters, and at most 200 are read"),
        (["empty"], None, {}, BadDataFile, "None of the 1 texts of messages.csv can be read; empty: it is empty."),
        ([], None, {}, BadDataFile, "messages.csv holds no texts."),
        (["a"], ["good"], {"anomalies": ("goood",)}, InvalidConfig, "did you mean good?"),
        (["a"], ["good"], {"anomalies": ("x",)}, InvalidConfig, "label 'x'; the labels are good."),
        (["a"], None, {"anomalies": ("x",)}, InvalidConfig, "No row of messages.csv has the label 'x'."),
        (["a"], None, {"workers": 0}, InvalidConfig, "must be whole numbers from 1"),
        (["a"], None, {"chunk_rows": 0}, InvalidConfig, "must be whole numbers from 1"),
        (["a"], None, {"encoder": ENCODER}, InvalidConfig, "pixels is an encoder of images, and messages.csv holds"),
    ],
)
def test_what_cannot_be_encoded_is_refused_by_a_sentence(
    out: Path, names: list[str], labels: list[str] | None, changes: dict[str, Any], kind: type[Exception], sentence: str
) -> None:
    arguments: dict[str, Any] = {"encoder": LengthEncoder(), "out": out, **changes}
    with pytest.raises(kind) as caught:
        make_features(made_texts(names, labels), **arguments)
    assert sentence in str(caught.value)
    assert not out.exists() and not partial_folder(out).exists()


def test_a_run_stops_at_its_time_and_goes_on_later(out: Path) -> None:
    source = made_texts([f"text {number}" for number in range(9)])
    with pytest.raises(BadDataFile, match=r"takes more time than allowed: 3 of 9 texts are done and kept in "):
        make_features(source, LengthEncoder(), out, chunk_rows=3, max_seconds=0)
    assert make_features(source, LengthEncoder(), out).resumed_at == 3


@pytest.mark.parametrize(
    ("limit", "value", "sentence"),
    [
        ("MAX_UNPACKED", 20, r"is too large: after \d of 9 texts"),
        ("MAX_LEFT_OUT", 50, "too many rows that cannot be read to list them"),
    ],
)
def test_a_run_stops_at_limits_on_bytes(
    out: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, sentence: str
) -> None:
    monkeypatch.setattr(run, limit, value)
    names = [*(["empty"] * 4 if limit == "MAX_LEFT_OUT" else ["text"] * 4), *"abcde"]
    with pytest.raises(BadDataFile, match=sentence):
        make_features(made_texts(names), LengthEncoder(), out, chunk_rows=2)


def test_too_many_values_are_refused_before_anything_is_read(out: Path) -> None:
    source = made_texts(["a"])
    encoder = LengthEncoder()
    encoder.identity = encoder.identity.model_copy(update={"dimension": 10_001})
    with pytest.raises(BadDataFile, match="at most 10,000 features and 50 million values"):
        make_features(source, encoder, out)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadDataFile, match=r"absent.* cannot be written: "):
        make_features(made_texts(["a"]), LengthEncoder(), tmp_path / "absent" / "out.npz")


def test_rows_are_encoded_in_memory_as_in_a_file(out: Path) -> None:
    source: MadeImages = made_images([*NAMES, "damaged.png"])
    make_features(source, ENCODER, out, workers=1)
    encoded = encode_rows(source, ENCODER, workers=2)
    assert (encoded.features == arrays(out)["X"]).all()
    assert encoded.rows.tolist() == [*range(40)]
    assert [left.name for left in encoded.left_out] == ["damaged.png"]
    assert encoded.notes == ("1 image: It is pale.",)
    with pytest.raises(BadDataFile, match="None of the 1 images"):
        encode_rows(made_images(["damaged.png"]), ENCODER)
