"""Fail the build where a page would load a script, style, font or picture from another host."""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

_LOADED = {
    "*.html": re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*\b(?:src|href)=\"(?:https?:)?//[^>]*>"),
    "*.css": re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\s;]*"),
}


def _check(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None:
        return
    found = [
        f"{path.name}: {match[0][:120]}"
        for pattern, loaded in _LOADED.items()
        for path in sorted(Path(app.outdir).rglob(pattern))
        for match in loaded.finditer(path.read_text("utf-8"))
    ]
    if found:
        raise ExtensionError("pages load from other hosts:\n" + "\n".join(found))


def setup(app: Sphinx) -> dict[str, bool]:
    """Check the whole output once it is written."""
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
