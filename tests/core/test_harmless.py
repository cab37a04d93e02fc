"""The source has no eval, pickle, shell command or markup made from data."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("app/**/*.py"), *ROOT.glob("anoonly_core/**/*.py")])
BROWSER = sorted(
    path for path in (*ROOT.glob("assets/*"), *ROOT.glob("assets/*/*")) if path.suffix in (".js", ".html", ".css")
)

BUILTINS = {"eval", "exec", "compile", "__import__", "input"}
MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "subprocess", "pty", "runpy", "code"}
CALLS = {"os.system", "os.popen", "pd.read_pickle", "torch.load", "torch.save", "pd.eval", "importlib.import_module"}
ARGUMENTS = {"unsafe_allow_html", "unsafe_allow_javascript", "shell", "unsafe_hash"}
# Files that draw HTML; they escape all data in it.
OWN_MARKUP = {
    "app/application.py": 2,
    "app/navigation.py": 2,
    "app/views/datasets/page.py": 1,
    "app/views/label/loop.py": 1,
    "app/views/start/page.py": 1,
    "app/views/zero_shot/page.py": 1,
    "app/widgets/present.py": 1,
    "app/widgets/rows.py": 1,
    "app/widgets/scroll.py": 1,
}
# The scripts that pages draw: files of ours. Data in them is JSON without "<", or names of lessons and letters.
OWN_SCRIPT = {
    "app/navigation.py": ["st.html(scripts, unsafe_allow_javascript=True)"],
    "app/views/lessons/answers.py": [
        "place.html(f'<script>document.cookie = {cookie!r};</script>', unsafe_allow_javas"
    ],
    "app/widgets/scroll.py": ["st.html(f'<script>{script}</script>', unsafe_allow_javascript=True)"],
}
OF_DATA = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "srcdoc")
OUTSIDE = re.compile(r"https?://(?!www\.w3\.org/)|//cdn|@import|fetch\(|XMLHttpRequest|WebSocket\(|sendBeacon")


def faults(tree: ast.AST) -> Iterator[str]:
    """Yield the forbidden constructs in a syntax tree."""
    for node in ast.walk(tree):
        where = f"line {getattr(node, 'lineno', 0)}: "
        if isinstance(node, ast.Import):
            yield from (where + own.name for own in node.names if own.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            yield where + str(node.module)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            given = {own.arg: own.value for own in node.keywords}
            weights_only = given.get("weights_only")
            is_tensors = isinstance(weights_only, ast.Constant) and weights_only.value is True
            if (name in BUILTINS | CALLS and not (name == "torch.load" and is_tensors)) or ARGUMENTS & given.keys():
                yield where + ast.unparse(node)[:80]
            pickles = given.get("allow_pickle")
            if name in ("np.load", "numpy.load") and not (isinstance(pickles, ast.Constant) and pickles.value is False):
                yield where + "np.load that may unpickle"


@pytest.mark.parametrize(
    "line",
    [
        *("eval(x)", "import pickle", "from joblib import load", "np.load(path)", "np.load(path, allow_pickle=True)"),
        *(
            "torch.load(path)",
            "torch.load(path, weights_only=False)",
            "st.markdown(x, unsafe_allow_html=True)",
            "run(x, shell=True)",
            "os.system(x)",
        ),
    ],
)
def test_the_search_finds_forbidden_constructs(line: str) -> None:
    assert list(faults(ast.parse(line)))
    assert not list(
        faults(
            ast.parse(
                "np.load(path, allow_pickle=False); torch.load(path, weights_only=True); head.eval(); re.compile(x)"
            )
        )
    )


def test_the_source_has_no_forbidden_constructs() -> None:
    assert len(SOURCES) > 100
    found = {str(path.relative_to(ROOT)): list(faults(ast.parse(path.read_text("utf-8")))) for path in SOURCES}
    found = {name: [what.partition(": ")[2] for what in lines] for name, lines in found.items()}
    assert {name: what for name, what in found.items() if what} == OWN_SCRIPT


def test_markup_is_drawn_where_it_is_known_to_be() -> None:
    texts = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in SOURCES}
    found = {name: text.count("st.html(") + text.count("components.v1") for name, text in texts.items()}
    assert {name: count for name, count in found.items() if count} == OWN_MARKUP


@pytest.mark.parametrize("path", BROWSER, ids=lambda path: path.name)
def test_the_browsers_part_makes_no_markup_of_data_and_asks_no_host(path: Path) -> None:
    text = path.read_text("utf-8")
    assert [word for word in OF_DATA if word in text] == []
    assert OUTSIDE.findall(text) == []
