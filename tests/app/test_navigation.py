"""Addresses of pages, as other pages link to them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from anoonly_core.config import make_config
from app.controls.choice import compare_parameters
from app.navigation import PAGES, page_url
from tests.app.conftest import opened

ONE_EPOCH = {"epochs": "1", "seeds": "1"}


@pytest.mark.parametrize(
    ("here", "root"),
    [
        ("http://localhost:8501/runs", "http://localhost:8501/"),
        ("https://example.org/lab/runs", "https://example.org/lab/"),
        ("http://localhost:8501", "http://localhost:8501/"),
        (None, "/"),
    ],
)
def test_a_page_has_an_address_beside_that_of_the_current_one(here: str | None, root: str) -> None:
    parameters = compare_parameters(make_config(norm="layer"), make_config(lambda_n=0.1), 2)
    assert page_url("start", {}, here, "runs") == root
    address = page_url("compare", parameters, here, "runs")
    assert address.startswith(f"{root}compare?")
    assert dict(parse_qsl(urlsplit(address).query)) == parameters
    assert page_url("zero_shot", {"meta": "0,1"}, here, "runs") == f"{root}zero-shot?meta=0%2C1"
    assert page_url("sweep", {"values_norm": ["layer", "none"]}, here, "runs").endswith(
        "sweep?values_norm=layer&values_norm=none"
    )


def test_each_page_has_a_path_a_group_and_one_line_of_purpose() -> None:
    entries = list(PAGES.values())
    assert next(iter(PAGES)) == "start" and PAGES["start"].url_path == "" and PAGES["compare"].url_path == "compare"
    assert len({entry.url_path for entry in entries}) == len({entry.title for entry in entries}) == len(entries)
    groups = [entry.group for entry in entries]
    assert sorted(set(groups), key=groups.index) == ["Learn", "Explore", "Data", "Evidence", "Results"]
    assert groups == sorted(groups, key=groups.index), "the pages of a group follow each other"
    for entry in entries:
        assert 20 < len(entry.purpose) <= 100 and entry.purpose[-1] in ".:?"
        assert (entry.purpose[-1] == ":") == (entry.source is not None)


@pytest.mark.parametrize(
    ("path", "settings", "button", "to"),
    [
        ("why", {"lambda_n": "1", **ONE_EPOCH}, "why_compare_whole", {"lambda_n": "1"}),
        ("why", {"lambda_n": "1", **ONE_EPOCH}, "why_compare_without_mean", {"lambda_n": "1", "grad_mean": "0"}),
        ("why", {"lambda_n": "1", **ONE_EPOCH}, "why_compare_without_both", {"grad_variance": "0", "grad_mean": "0"}),
        ("microscope", {"dataset": "digits_5", "epochs": "1"}, "cut_parts", {"dataset": "digits_5", "epochs": "1"}),
        ("microscope", {"labeled_ratio": "0.5", "epochs": "1"}, "cut_parts", {"labeled_ratio": "0.5"}),
    ],
)
def test_a_page_takes_its_changed_settings_to_the_next(
    server: None, path: str, settings: dict[str, str], button: str, to: dict[str, str]
) -> None:
    page = opened(path, **settings)
    page.button(key=button).click().run()
    assert not page.exception
    assert {name: page.query_params[name] for name in to} == to
