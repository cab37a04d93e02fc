"""Fixtures of the core tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _pretrain_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable the pretraining cache, so that tests that compare trainings do not compare a result with itself."""
    monkeypatch.setattr("anoonly_core.training.pretraining.add_to_cache", lambda key, parameters, seconds: None)


@pytest.fixture
def short_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretrain FEAWAD for 2 epochs in place of 100."""
    monkeypatch.setattr("anoonly_core.models.feawad.FEAWAD.pretraining_epochs", 2)


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the pretrained systems checkpoints of random weights."""
    from tests.core.models.checkpoints import VARIABLES, write_checkpoint  # loads torch

    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        for name, variable in VARIABLES.items():
            write_checkpoint(name, folder / f"{name}.ckpt")
            patch.setenv(variable, str(folder / f"{name}.ckpt"))
        yield
