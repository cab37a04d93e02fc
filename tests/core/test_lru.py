"""The least recently used values leave a full cache first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from anoonly_core.lru import LRU


def test_the_least_recently_used_value_is_dropped_first() -> None:
    cache = LRU[int](2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert len(cache) == 2 and "b" not in cache and cache.get("b") is None
    cache.put("a", 4)
    cache.put("d", 5)
    assert cache.values() == [4, 5], "storing a value anew counts as a use"


def test_neither_a_membership_test_nor_a_listing_counts_as_a_use() -> None:
    cache = LRU[int](2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert "a" in cache and cache.values() == [1, 2]
    cache.put("c", 3)
    assert "a" not in cache


def test_values_can_be_removed() -> None:
    cache = LRU[int](3)
    for key in "abc":
        cache.put(key, 0)
    cache.remove("a")
    cache.remove("missing")
    assert "a" not in cache and len(cache) == 2
    cache.clear()
    assert len(cache) == 0


def test_the_limit_is_a_total_weight_and_the_newest_value_always_stays() -> None:
    cache = LRU[bytes](10, len)
    for key in "abc":
        cache.put(key, b"1234")
    assert cache.get("a") is None and len(cache) == 2
    cache.put("b", b"123456")
    assert len(cache) == 2, "10 of 10"
    cache.put("large", bytes(100))
    assert cache.values() == [bytes(100)]


def test_threads_may_share_a_cache() -> None:
    cache = LRU[int](8)

    def use(start: int) -> None:
        for number in range(start, start + 2000):
            cache.put(str(number % 20), number)
            cache.get(str(number % 7))
            cache.remove(str(number % 3))
            assert len(cache) <= 8 and len(cache.values()) <= 8

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(use, range(4)))
