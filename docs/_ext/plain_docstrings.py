"""Read docstrings as plain text with `code` and numpydoc sections, and link their references to docs/methods.md."""

import re
from pathlib import Path

from docutils.nodes import make_id
from pydantic import BaseModel
from sphinx.application import Sphinx

_CODE = re.compile(r"(``[^`]+``|`[^`]+`)")
# In reStructuredText these begin emphasis, a substitution and a link: |F|, 2 * x, threshold_.
_MARKUP = re.compile(r"[*|]|(?<=\w)_(?!\w)")
_METHODS = Path(__file__).parents[1] / "methods.md"
_SECTIONS = {
    number: make_id(title) for number, title in re.findall(r"^## (\d+)\. (.+)$", _METHODS.read_text("utf-8"), re.M)
}
_REFERENCE = re.compile(r"docs/methods\.md § (\d+)")


def _link(reference: re.Match[str]) -> str:
    number = reference[1]
    return f"`Methods § {number} <../methods.html#{_SECTIONS[number]}>`__"


def _plain(line: str) -> str:
    pieces = _CODE.split(line)
    for number in range(0, len(pieces), 2):
        escaped = _MARKUP.sub(lambda found: f"\\{found[0]}", pieces[number])
        pieces[number] = _REFERENCE.sub(_link, escaped)
    return "".join(pieces)


def _process(app: Sphinx, kind: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = [_plain(line) for line in lines]


def _signature(
    app: Sphinx, kind: str, name: str, obj: object, options: object, signature: str | None, result: str | None
) -> tuple[str | None, str | None]:
    if isinstance(obj, type) and issubclass(obj, BaseModel):
        return "(**settings)", None  # pydantic writes out every bound of every field
    return signature, result


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before napoleon, which turns the sections into fields."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
