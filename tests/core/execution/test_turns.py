"""Fair shares: each owner gets a turn, whatever number of tasks the others have."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from anoonly_core.execution.turns import Turns


@dataclass(eq=False)
class Stub:
    number: int
    owners: frozenset[str]


def stubs(*owners: str) -> list[Stub]:
    return [Stub(number, frozenset(names.split("+"))) for number, names in enumerate(owners)]


@pytest.mark.parametrize(
    ("owners", "running", "expected"),
    [
        (["a", "a", "a"], [], [0, 1, 2]),
        (["a", "a", "a", "b"], [], [0, 3, 1, 2]),
        (["a"] * 20 + ["b", "c"], ["a"], [20, 21, 0, 1]),
        (["a", "a", "b", "b"], ["b", "b"], [0, 1, 2, 3]),
        (["a", "a+b", "a"], ["a"], [1, 0, 2]),
        (["a", "b", "a", "b"], [], [0, 1, 2, 3]),
        ([], ["a"], []),
    ],
)
def test_the_next_task_is_of_the_owner_with_the_fewest(
    owners: list[str], running: list[str], expected: list[int]
) -> None:
    turns = Turns()
    turns.set_owners({*"+".join([*owners, *running]).split("+")})
    chosen = turns.choose(stubs(*owners), 4, stubs(*running))
    assert [task.number for task in chosen] == expected


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("tasks", [["a", "b"], ["a", "b", "c"], ["a"] * 4 + ["b", "c"], ["a", "b", "c", "d", "e", "f"]])
def test_all_owners_are_served_alike(tasks: list[str], count: int) -> None:
    turns, running, times = Turns(), stubs(*tasks), Counter[str]()
    turns.set_owners(set(tasks))
    for _ in range(120):
        chosen = turns.choose(running, count)
        turns.charge(chosen, 0.25)
        times.update({owner for task in chosen for owner in task.owners})
    assert max(times.values()) - min(times.values()) <= 1 and len(times) == len(set(tasks))


def test_a_new_owner_begins_with_the_least_served() -> None:
    turns = Turns()
    turns.set_owners({"a", "b"})
    turns.charge(stubs("a"), 100.0)
    turns.charge(stubs("b"), 90.0)
    turns.set_owners({"a", "b", "c"})
    assert turns.served_s == {"a": 100.0, "b": 90.0, "c": 90.0}
    turns.set_owners({"a"})
    turns.set_owners({"a", "c"})
    assert turns.served_s == {"a": 100.0, "c": 100.0}, "who comes back gains nothing"
