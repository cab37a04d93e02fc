"""The notebook of the documentation: it runs with the installed package, and prints what it shows."""

from __future__ import annotations

import json

from tests.package.conftest import ROOT, Environment

NOTEBOOK = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text("utf-8"))
CODE = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
MAX_BYTES = 300_000

# Run the cells in one namespace. Print as JSON, for each, its output and True if its last value has a rich display.
RUNNER = """
import ast, contextlib, io, json, sys
names, answers = {"__name__": "__main__"}, []
for source in json.load(sys.stdin):
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(tree, "cell", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None
    answers.append([out.getvalue(), any(hasattr(value, name) for name in ("_repr_html_", "_repr_mimebundle_"))])
print(json.dumps(answers))
"""


def printed(cell: dict[str, list[dict[str, object]]]) -> str:
    """Return the text that a cell of the stored notebook has printed."""
    texts = [output["text"] for output in cell["outputs"] if output["output_type"] == "stream"]
    return "".join("".join(text) for text in texts if isinstance(text, list | str))


def test_the_tutorial_prints_what_it_shows(installed: Environment) -> None:
    done = installed.run("-c", RUNNER, text=json.dumps(["".join(cell["source"]) for cell in CODE]))
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert [text for text, _ in answers] == [printed(cell) for cell in CODE]
    displays = [any("data" in output for output in cell["outputs"]) for cell in CODE]
    assert [shown for _, shown in answers] == displays
    assert sum(shown for _, shown in answers) == 5


def test_the_notebook_is_executed_and_small() -> None:
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    assert not [output for cell in CODE for output in cell["outputs"] if output["output_type"] == "error"]
    assert (ROOT / "docs" / "tutorial.ipynb").stat().st_size < MAX_BYTES
