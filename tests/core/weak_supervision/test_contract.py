"""The contract over the registry of mechanisms."""

from __future__ import annotations

import pytest

from anoonly_core.baselines import MECHANISMS
from anoonly_core.weak_supervision.contract import CHECKS


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", list(MECHANISMS))
def test_every_mechanism_passes_the_contract(name: str, check: str) -> None:
    assert CHECKS[check](name) == ""
