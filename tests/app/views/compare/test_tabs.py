"""Texts of the tabs about training agree with the heads."""

from __future__ import annotations

import pytest

from anoonly_core.baselines import BASELINES
from anoonly_core.models import METHODS


@pytest.mark.parametrize("name", BASELINES)
def test_an_epoch_is_what_the_head_draws(name: str) -> None:
    if not BASELINES[name].has("epochs"):
        assert BASELINES[name].epoch == ""
        return
    steps, _ = METHODS[name].batch_shape(rows=1000, labeled=20, batch_size=10)
    one_pass = {1000: "one pass over the training rows", 980: "one pass over the pool"}
    words = one_pass.get(steps * 10, f"{steps} batches")
    assert BASELINES[name].steps == (0 if steps * 10 in one_pass else steps)
    assert BASELINES[name].epoch.startswith(words)
