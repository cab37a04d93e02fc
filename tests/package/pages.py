"""Open every page of the installed package without a browser, with the Python and the Streamlit of an environment."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import anoonly_app
from anoonly_app.navigation import PAGES
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

PATIENCE_S = 300.0
SCRIPT = Path(anoonly_app.__file__).with_name("script.py")
UNSHIPPED = {"epochs": "3", "seeds": "2"}  # no shipped result has these settings, so that Compare trains


def main() -> int:
    """Open each page, and Compare until its figures are there; return the number of pages with an error."""
    failures = 0
    for page in PAGES.values():
        begun = time.monotonic()
        opened = AppTest.from_file(str(SCRIPT), default_timeout=PATIENCE_S)
        if page.url_path:
            opened._page_hash = calc_hash(page.url_path)
        for name, value in UNSHIPPED.items() if page.url_path == "compare" else ():
            opened.query_params[name] = value
        opened.run()
        while page.url_path == "compare" and "AUCPR" not in text(opened) and time.monotonic() < begun + PATIENCE_S:
            time.sleep(0.5)
            opened.run()
        wrong = [caught.message for caught in opened.exception] + [shown.value for shown in opened.error]
        if page.url_path == "compare" and "AUCPR" not in text(opened):
            wrong.append("no figures")
        failures += bool(wrong)
        print(f"{page.url_path or '/':18} {'; '.join(wrong) or 'drawn'}", flush=True)
    return failures


def text(opened: AppTest) -> str:
    """Return the text of a page's tiles and paragraphs."""
    return "\n".join(str(shown.value) for shown in (*opened.markdown, *opened.get("html")))


if __name__ == "__main__":
    sys.exit(main())
