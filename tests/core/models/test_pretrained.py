"""Systems with pretrained weights: a file that the user names is loaded and identified, and nothing is downloaded."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from anoonly_core.config import make_config
from anoonly_core.data.split import Split
from anoonly_core.errors import BadModelFile, ComparatorMissing
from anoonly_core.models.rivals import Rivals
from anoonly_core.results.keys import run_key
from anoonly_core.runs.run import run
from anoonly_core.training.evaluation import score_test_rows
from tests.core.models.checkpoints import PRETRAINED, VARIABLES, write_checkpoint
from tests.core.training.stacks import made_split, made_table

pytestmark = pytest.mark.usefixtures("random_weights")


def fitted(name: str, split: Split | None = None) -> Rivals:
    dataset = made_table()
    return Rivals(dataset, [make_config(baseline=name)], [split or made_split(dataset)])


@pytest.mark.parametrize("name", PRETRAINED)
def test_without_weights_a_system_is_one_sentence_and_downloads_none(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable, config = VARIABLES[name], make_config(dataset="breast_cancer", baseline=name)
    monkeypatch.delenv(variable)
    with pytest.raises(ComparatorMissing, match=f"^{name} needs pretrained weights, .*: set {variable} to the file of"):
        run(config, "cpu")
    monkeypatch.setenv(variable, str(tmp_path / "none.ckpt"))
    with pytest.raises(ComparatorMissing, match=f"^{variable} names '.*none.ckpt', which is no file"):
        run(config, "cpu")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", PRETRAINED)
@pytest.mark.parametrize("content", [b"", b"no checkpoint", pickle.dumps({"config": print}, protocol=2)])
def test_a_file_that_holds_no_weights_is_one_sentence(
    name: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrong.ckpt").write_bytes(content)
    monkeypatch.setenv(VARIABLES[name], str(tmp_path / "wrong.ckpt"))
    with pytest.raises(
        BadModelFile, match=rf"^{name} could not be fitted with the weights that {VARIABLES[name]} names \(.+\)\.$"
    ):
        fitted(name)


@pytest.mark.parametrize("name", PRETRAINED)
def test_nothing_in_a_file_of_weights_is_executed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"config": Touch(tmp_path / "touched"), "state_dict": {}}, tmp_path / "harmful.ckpt")
    monkeypatch.setenv(VARIABLES[name], str(tmp_path / "harmful.ckpt"))
    with pytest.raises(BadModelFile):
        fitted(name)
    assert not (tmp_path / "touched").exists()


class Touch:
    """Object that creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", PRETRAINED)
def test_other_weights_are_another_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, split = make_config(baseline=name), made_split(made_table())
    key, scores = run_key(config), score_test_rows(fitted(name, split))[0]
    path = tmp_path / "other.ckpt"
    write_checkpoint(name, path, seed=1)
    monkeypatch.setenv(VARIABLES[name], str(path))
    other_key, others = run_key(config), score_test_rows(fitted(name, split))[0]
    assert other_key != key and not np.allclose(others, scores)
    write_checkpoint(name, path, seed=0)
    assert run_key(config) != other_key, "the file was replaced"
    assert np.array_equal(score_test_rows(fitted(name, split))[0], scores)


def test_weights_of_one_system_leave_the_keys_of_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config(baseline="LogisticRegression")
    key = run_key(config)
    monkeypatch.delenv(VARIABLES["TabICL"])
    assert run_key(config) == key
