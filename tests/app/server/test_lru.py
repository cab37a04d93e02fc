"""A bounded memory forgets what was used longest ago."""

from __future__ import annotations

from app.server.lru import LRU


def test_it_keeps_so_many_and_forgets_what_was_used_longest_ago() -> None:
    memory = LRU(2)
    memory.put("a", 1)
    memory.put("b", 2)
    assert memory.get("a") == 1
    memory.put("c", 3)
    assert len(memory) == 2 and "b" not in memory and memory.get("b") is None
    memory.forget("a")
    memory.forget("never there")
    assert "a" not in memory and memory.get("c") == 3
