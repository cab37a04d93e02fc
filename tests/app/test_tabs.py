"""What the tabs say of training is what the heads do."""

from __future__ import annotations

import pytest

from anoonly_core.baselines import BASELINES
from anoonly_core.methods import METHODS
from app.tabs import EPOCH, PRETRAINING_EPOCHS


@pytest.mark.parametrize("name", BASELINES)
def test_an_epoch_is_what_the_head_draws(name: str) -> None:
    if not BASELINES[name].has("epochs"):
        assert name not in EPOCH
        return
    steps, _ = METHODS[name].batch_shape(rows=1000, labelled=20, batch_size=10)
    one_pass = {1000: "one pass over the training rows", 980: "one pass over the pool"}
    words = one_pass.get(steps * 10, f"{steps} batches")
    assert EPOCH[name].startswith(words)


@pytest.mark.parametrize("name", METHODS)
def test_pretraining_is_counted_as_the_head_does_it(name: str) -> None:
    assert PRETRAINING_EPOCHS.get(name) == getattr(METHODS[name], "pretraining_epochs", None)
