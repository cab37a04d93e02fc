"""The contract of the glossary: its terms, where they stand, and that every list of them is the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anoonly_core.paths import ASSETS
from app.controls.registry import CONTROLS, Control
from app.controls.sidebar import with_words
from app.navigation import PAGES, SCRIPTS, _glossary_terms
from app.text.glossary import GLOSSARY, Term, read_glossary, terms_in

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "glossary.md").read_text("utf-8")
TEXTS = "\n".join(
    path.read_text("utf-8")
    for folder, kind in ((ROOT / "app", "*.py"), (ASSETS / "lessons", "*.toml"), (ROOT / "anoonly_core", "*.py"))
    for path in folder.rglob(kind)
    if path.name != "glossary.py"
)
ASKED = {
    *("pool", "head", "contamination", "chance", "natural", "affine", "leak", "λₙ", "AUCPR", "AUCROC", "seed"),
    *("batch norm", "labeled anomaly", "threshold", "baseline", "hidden features"),
}


def test_the_words_of_the_pages_are_there_in_order() -> None:
    names = [term.name for term in GLOSSARY]
    assert set(names) >= ASKED and len(set(names)) == len(names)
    assert names == sorted(names, key=lambda name: name.lower().replace("λₙ", "lambda"))


@pytest.mark.parametrize("term", GLOSSARY, ids=lambda term: term.name)
def test_a_term_is_said_by_the_app_and_explained_without_itself(term: Term) -> None:
    assert term in terms_in(f"First {term.forms[0]}, then more.")
    assert all(re.search(re.escape(form), TEXTS, re.IGNORECASE) for form in term.forms), "a form that no page has"
    assert not re.match(term.pattern, term.meaning, re.IGNORECASE)
    assert all(len(sentence.split()) <= 26 for sentence in re.split(r"(?<=[.:])\s", term.meaning))
    assert f"- **{term.name}**: {term.meaning}\n" in DOCUMENT


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("the pools", []),
        ("A pool, or pool-like", ["pool"]),
        ("whirlpool", []),
        ("Heads and ahead", ["head"]),
        ("λₙ = 0", ["λₙ"]),
        ("Batch norm without scale and shift", ["affine", "batch norm"]),
        ("leak_free", []),
        ("unseeded seeds", ["seed"]),
    ],
)
def test_only_whole_words_are_terms(text: str, names: list[str]) -> None:
    assert [term.name for term in terms_in(text)] == names


def test_the_document_has_no_other_terms() -> None:
    assert re.findall(r"^- \*\*(.+?)\*\*:", DOCUMENT, re.MULTILINE) == [term.name for term in GLOSSARY]


def test_the_browser_gets_all_terms_the_longer_first() -> None:
    terms = _glossary_terms()
    assert {term["name"] for term in terms} == {term.name for term in GLOSSARY}
    # JavaScript reads the patterns with the flag u, which allows no other escapes.
    assert not [term for term in terms if re.search(r"\\[^w]", term["pattern"])]
    places = {term["name"]: index for index, term in enumerate(terms)}
    assert places["labeled anomaly"] < places["pool"] and places["affine"] < places["leak"]


def test_streamlit_keeps_the_scripts() -> None:
    """It removes a script that contains the beginning of a tag."""
    assert not [name for name in SCRIPTS if re.search(r"<[/\w!]", (ASSETS / f"{name}.js").read_text("utf-8"))]


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_a_control_explains_the_words_of_its_label(control: Control) -> None:
    words = with_words(control.help, control.label)
    assert words.startswith(control.help)
    assert all(f"**{term.name}**: {term.meaning}" in words for term in terms_in(control.label))
    assert control.name != "lambda_n" or {term.name for term in terms_in(control.label)} == {"λₙ", "pool"}


@pytest.mark.parametrize(
    "content",
    [
        "terms = 3",
        "[[terms]]\nname = 'x'",
        "[[terms]]\nname = 'pool'\nforms = []\nmeaning = 'Rows.'",
        "[[terms]]\nname = 'pool'\nforms = ['pool']\nmeaning = 'no sentence'",
        "[[terms]]\nname = 'pool'\nforms = ['pool']\nmeaning = 'Rows.'\ncolor = 'red'",
        f"[[terms]]\nname = 'pool'\nforms = ['pool']\nmeaning = '{'long ' * 40}.'",
    ],
)
def test_a_bad_file_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "glossary.toml"
    file.write_text(content)
    with pytest.raises((ValueError, TypeError)):
        read_glossary(file)


def test_the_purposes_of_pages_use_the_words() -> None:
    assert any(terms_in(entry.purpose) for entry in PAGES.values())
