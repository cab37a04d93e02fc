"""Sentences over settings that do not differ claim something as seldom as they say: in 5 % of cases at most."""

from __future__ import annotations

from tests.bench.null_claims import shares


def test_sentences_seldom_claim_what_is_not_so() -> None:
    draws = 150
    found = shares(draws, seed=1)
    assert len(found) == 8
    for name, (before, after) in found.items():
        assert after <= 0.05 + 3 * (0.05 * 0.95 / draws) ** 0.5, name
        assert after < before, name
