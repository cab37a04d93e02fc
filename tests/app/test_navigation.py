"""Addresses of pages, as other pages link to them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from anoonly_core.config import make_config
from app.controls.choice import compare_parameters
from app.navigation import page_url


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
    assert page_url("compare", {}, here, "runs") == root
    address = page_url("compare", parameters, here, "runs")
    assert address.startswith(f"{root}?")
    assert dict(parse_qsl(urlsplit(address).query)) == parameters
    assert page_url("zero_shot", {"meta": "0,1"}, here, "runs") == f"{root}zero-shot?meta=0%2C1"
    assert page_url("sweep", {"values_norm": ["layer", "none"]}, here, "runs").endswith(
        "sweep?values_norm=layer&values_norm=none"
    )
