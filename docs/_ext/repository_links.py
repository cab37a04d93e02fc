"""Adapt links out of docs/, which work in the repository, to the site, which holds no other files of it."""

import re
from pathlib import Path

from sphinx.application import Sphinx

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((\.\./[^)\s#]+)\)")
_PAGES = {"../SECURITY.md": "security.md", "../CHANGELOG.md": "changelog.md", "../README.md": "index.md"}


def _adapt(app: Sphinx, name: str, content: list[str]) -> None:
    depth = "../" * name.count("/")

    def adapted(link: re.Match[str]) -> str:
        text, target = link[1], link[2].removeprefix(depth)
        return f"[{text}]({depth}{_PAGES[target]})" if target in _PAGES else text

    content[0] = _LINK.sub(adapted, content[0])


def _include(app: Sphinx, relative: Path, parent: str, content: list[str]) -> None:
    text = content[0].replace("](docs/", "](")
    for target, page in _PAGES.items():
        text = text.replace(f"]({target.removeprefix('../')})", f"]({page})")
    content[0] = text


def setup(app: Sphinx) -> dict[str, bool]:
    """Rewrite each page as it is read, and the two files of the repository root that pages include."""
    app.connect("source-read", _adapt)
    app.connect("include-read", _include)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
