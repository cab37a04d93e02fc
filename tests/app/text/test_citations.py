"""The papers that the pages name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.navigation import PAGES
from app.text.citations import ACR, ANOONLY, LLBNAD, Citation

METHODS = (Path(__file__).parents[3] / "docs" / "methods.md").read_text("utf-8")


@pytest.mark.parametrize("citation", [ANOONLY, ACR, LLBNAD], ids=lambda citation: citation.arxiv)
def test_a_citation_agrees_with_the_methods(citation: Citation) -> None:
    assert f'{citation.authors[0].split()[-1]} et al., "{citation.title}"' in " ".join(METHODS.split())
    assert citation.url in METHODS
    assert re.fullmatch(r"\d{4}\.\d{5}", citation.arxiv)
    assert 2000 + int(citation.arxiv[:2]) == citation.year
    assert citation.short in citation.link and citation.url in citation.link
    assert all(name in citation.full for name in (*citation.authors, citation.title, citation.arxiv))


def test_the_pages_of_other_methods_name_them() -> None:
    assert PAGES["clean"].source == LLBNAD and "LLBNAD" in PAGES["clean"].purpose
    assert PAGES["zero_shot"].source == ACR and "ACR" in PAGES["zero_shot"].purpose
    assert PAGES["reproduce"].source == ANOONLY
