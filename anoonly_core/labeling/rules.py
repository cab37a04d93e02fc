"""Query rules: which rows to label next, as a registry; does not load torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from anoonly_core.errors import InvalidInput
from anoonly_core.labeling.orders import order_by, places

__all__ = ["BOUNDARY", "QUERY_RULES", "Query", "QueryRule", "choose_rows"]

BOUNDARY = 0.1  # share of the rows above the boundary between normal and anomalous, as of a detector's default
MAX_DIVERSE_ROWS = 20_000  # candidates among which k-means++ draws


@dataclass(frozen=True, eq=False)
class Query:
    """A ranking of rows, and the rows among which to choose.

    Attributes
    ----------
    scores
        Anomaly score of each row, float [rows]; higher is more anomalous.
    features
        Hidden features of each row, float [rows, features]; NaN for a row without any, which no rule calls diverse.
    candidates
        Indices of the rows that may be chosen, int64 [n], each once.
    random
        Random numbers of the draws.
    other_scores
        Scores of the same rows by a second model, float [rows]; None without one.
    """

    scores: np.ndarray
    features: np.ndarray
    candidates: np.ndarray
    random: np.random.Generator
    other_scores: np.ndarray | None = None

    def without(self, rows: np.ndarray) -> Query:
        """Return the same query with these row indices, int64, no longer among the candidates."""
        return replace(self, candidates=self.candidates[~np.isin(self.candidates, rows)])


Choose = Callable[[Query, int], np.ndarray]


@dataclass(frozen=True)
class QueryRule:
    """Rule that chooses the next rows to label.

    Attributes
    ----------
    label, summary
        Texts of the page and the command.
    choose
        Returns the indices of `count` candidates, int64 [count], most wanted first; `count` is at most their number.
    needs_other
        True if the query must hold the scores of a second model.
    """

    label: str
    summary: str
    choose: Choose
    needs_other: bool = False


def choose_rows(rule: str, query: Query, count: int) -> np.ndarray:
    """Return the rows to label next by a rule, int64 [at most count], most wanted first.

    Parameters
    ----------
    rule
        A key of QUERY_RULES.
    query
        Ranking and candidates; fewer candidates than `count` are all chosen.
    count
        Number of rows.

    Raises
    ------
    InvalidInput
        If the rule is unknown, or needs the scores of a second model and the query has none.
    """
    if rule not in QUERY_RULES:
        raise InvalidInput(f"There is no query rule called {rule!r}: choose one of {', '.join(QUERY_RULES)}.")
    if QUERY_RULES[rule].needs_other and query.other_scores is None:
        raise InvalidInput(f"The rule {rule!r} compares two models: choose another rule, or train a second one.")
    return QUERY_RULES[rule].choose(query, min(count, len(query.candidates)))


def _best(query: Query, wanted: np.ndarray, count: int) -> np.ndarray:
    """Return the candidates with the largest values of `wanted`, float [rows]; of equal ones the first row."""
    candidates = np.sort(query.candidates)
    best: np.ndarray = candidates[order_by(wanted[candidates])[:count]]
    return best


def _highest(query: Query, count: int) -> np.ndarray:
    return _best(query, query.scores, count)


def _uncertain(query: Query, count: int) -> np.ndarray:
    """Choose the rows whose ranks are nearest to the boundary, above which a share BOUNDARY of all rows lies."""
    ranks = places(order_by(query.scores))
    return _best(query, -np.abs(ranks - BOUNDARY * len(ranks) + 0.5), count)


def _disagreement(query: Query, count: int) -> np.ndarray:
    """Choose the rows whose ranks differ most between both models, on a logarithmic scale, so that the top counts."""
    assert query.other_scores is not None
    first, second = (np.log1p(places(order_by(scores))) for scores in (query.scores, query.other_scores))
    return _best(query, np.abs(first - second), count)


def _diverse(query: Query, count: int) -> np.ndarray:
    """Draw rows that are far from each other by k-means++ on the hidden features, the one with the top score first."""
    candidates = np.sort(query.candidates)
    candidates = candidates[~np.isnan(query.features[candidates]).any(axis=1)]
    if len(candidates) < count:
        drawn = _diverse(query, len(candidates))
        return np.concatenate([drawn, _highest(query.without(drawn), count - len(drawn))])
    if count == 0:
        return np.arange(0)
    if len(candidates) > MAX_DIVERSE_ROWS:
        candidates = np.sort(query.random.choice(candidates, MAX_DIVERSE_ROWS, replace=False))
    features = query.features[candidates].astype(np.float64)
    chosen = [int(np.argmax(query.scores[candidates]))]
    distance = np.full(len(candidates), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, ((features - features[chosen[-1]]) ** 2).sum(axis=1))
        distance[chosen] = 0
        weights = distance if distance.any() else (~np.isin(np.arange(len(candidates)), chosen)).astype(float)
        chosen.append(int(query.random.choice(len(candidates), p=weights / weights.sum())))
    return candidates[chosen]


def _mix(query: Query, count: int) -> np.ndarray:
    """Choose half of the rows by the highest score, a quarter near the boundary, and draw the others apart."""
    chosen = query.candidates[:0]
    shares = (count - count // 2, count // 4, count - (count - count // 2) - count // 4)
    for rule, share in zip((_highest, _uncertain, _diverse), shares, strict=True):
        chosen = np.concatenate([chosen, rule(query.without(chosen), share)])
    return chosen


def _random(query: Query, count: int) -> np.ndarray:
    return query.random.permutation(np.sort(query.candidates))[:count]


QUERY_RULES: Mapping[str, QueryRule] = MappingProxyType(
    {
        "highest": QueryRule("highest score", "The rows with the highest scores.", _highest),
        "uncertain": QueryRule(
            "most uncertain", f"The rows nearest to the boundary of the top {BOUNDARY:.0%} of the ranking.", _uncertain
        ),
        "disagreement": QueryRule(
            "disagreement",
            "The rows that two models, λₙ = 0 and λₙ = 1, rank most differently.",
            _disagreement,
            needs_other=True,
        ),
        "diverse": QueryRule("diverse", "Rows far from each other in the hidden features, by k-means++.", _diverse),
        "mix": QueryRule("a mix", "Half with the highest scores, a quarter uncertain and a quarter diverse.", _mix),
        "random": QueryRule("random", "Rows drawn at random, to compare the other rules with.", _random),
    }
)
