"""Fixtures of the tests of models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.core.models.checkpoints import VARIABLES, write_checkpoint


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the pretrained systems checkpoints of random weights."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        for name, variable in VARIABLES.items():
            write_checkpoint(name, folder / f"{name}.ckpt")
            patch.setenv(variable, str(folder / f"{name}.ckpt"))
        yield
