"""Fixtures of the core tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _pretrain_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable the pretraining cache, so that tests that compare trainings do not compare a result with itself."""
    monkeypatch.setattr("anoonly_core.training.pretraining.add_to_cache", lambda key, parameters, seconds: None)


@pytest.fixture
def short_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretrain FEAWAD for 2 epochs in place of 100."""
    monkeypatch.setattr("anoonly_core.models.feawad.FEAWAD.pretraining_epochs", 2)
