"""Odd addresses: never a traceback, a hang, silence or markup; `python -m tests.soak inputs` tries far more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from anoonly_core.execution.pool import Task
from app.controls.page_address import MAX_LENGTH, MAX_PARAMETERS, PageAddress, names_of_all_pages
from app.server import jobs as jobs_module
from app.server import sweep_queue, table_owners
from tests.soak.inputs_page import (
    MARKUP,
    PAGES,
    PARAMETERS,
    addresses,
    open_address,
    record_parameters,
    without_training,
)
from tests.soak.odd import MARK, WRONG, for_each
from tests.soak.tally import Tally

CASES = 5  # of each page


class Idle:
    """A worker pool that never finishes a task."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        pass

    def schedule(self, *arguments: Any) -> Task:
        return Task(0, Future())  # never resolved

    def close(self) -> None:
        pass


@pytest.fixture(scope="module", autouse=True)
def idle(cache: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANOONLY_MIRROR", "http://127.0.0.1:9")
        patch.setattr(jobs_module, "WorkerPool", Idle)
        jobs_module._jobs.cache_clear()
        sweep_queue.server_sweeps.cache_clear()
        with without_training():
            yield
        table_owners.server_table_owners().close()
        table_owners._table_owners.cache_clear()
        jobs_module._jobs.cache_clear()
        sweep_queue.server_sweeps.cache_clear()


@pytest.mark.parametrize("page", PAGES)
def test_no_address_breaks_a_page_or_goes_by_in_silence(page: str) -> None:
    tally = Tally(page)
    for_each(addresses(page), CASES, lambda address: tally.take(open_address(address)[0]))
    assert len(tally.outcomes) == CASES and tally.bad == []


@pytest.mark.parametrize("page", PAGES)
def test_every_parameter_that_a_page_knows_is_fuzzed(page: str) -> None:
    with record_parameters() as names:
        outcome, seen = open_address((page, {}))
    assert outcome.kind == "as asked"
    assert names | seen.bound <= PARAMETERS[page].keys()
    assert PARAMETERS[page].keys() <= names_of_all_pages(), "or another page, to which Back brings it, calls it unknown"


@pytest.mark.parametrize("page", PAGES)
def test_every_parameter_that_is_wrong_is_said(page: str) -> None:
    every = [*PARAMETERS[page].keys(), MARK]
    for names in (every[::2], every[1::2]):  # a page lists a bounded number of sentences
        outcome, seen = open_address((page, {name: [WRONG[6]] for name in names}))
        assert outcome.kind == ("notice" if names else "as asked"), outcome
        notices = " ".join(seen.notices).replace("\\", "")
        if page != "lessons":  # a lesson that does not exist has no step either
            # The sentences call what they are about by its name, or by what was asked of it.
            assert [name for name in names if name.removeprefix("values_") not in notices] == []
        assert len(seen.notices) >= min(len(names), 1)


@pytest.mark.parametrize("text", [text for text in WRONG if re.search(MARKUP, text)])
def test_markup_is_known_where_it_is_not_escaped(text: str) -> None:
    """The check itself: what a page would show, were it to quote an address as it is."""
    assert MARKUP.search(f"The link's norm must be another, not '{text}'.") or text.startswith(("#", MARK))


HUGE = {
    "names": {f"name{number}": ["x"] for number in range(20_000)},
    "fixed names": {"fix": [",".join(f"name{number}" for number in range(20_000))]},
    "hidden names": {"hide": [",".join(f"name{number}" for number in range(20_000))]},
    "repeated": {"values_epochs": [str(number) for number in range(20_000)]},
    "blank": {f"{number:x}": [""] for number in range(20_000)},
    "long": {"seed": ["9" * 400_000]},
    "just too long": {"seed": ["9" * MAX_LENGTH]},
    "just too many": {f"{number:x}": ["x"] for number in range(MAX_PARAMETERS + 1)},
}


@pytest.mark.parametrize(
    ("page", "kind"), [*((page, "names") for page in PAGES), *(("compare", kind) for kind in HUGE)]
)
def test_a_huge_address_is_one_notice_and_not_read(page: str, kind: str) -> None:
    """Twenty thousand names after `fix=` took a page half a minute, and as many notices."""
    with patch.object(PageAddress, "read", autospec=True, side_effect=PageAddress.read) as read:
        outcome, seen = open_address((page, HUGE[kind]))
    assert outcome.kind == "notice", outcome
    (notice,) = [notice.replace("\\", "") for notice in seen.notices if "link" in notice]
    assert notice.endswith("shorten the link.") and len(notice) < 200
    assert all(not texts for _, texts in (call.args for call in read.call_args_list))
