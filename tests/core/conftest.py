"""What the tests of the core share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _pretrain_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two trainings that are compared must not share a pretraining, which would then be compared with itself."""
    monkeypatch.setattr("anoonly_core.training.pretraining.add_to_cache", lambda key, parameters, seconds: None)


@pytest.fixture
def short_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    """FEAWAD's hundred epochs before its training would only say the same a hundred times."""
    monkeypatch.setattr("anoonly_core.models.feawad.FEAWAD.pretraining_epochs", 2)
