"""Foreign hosts and origins, and a hostile table, against a real server in a real browser."""

from __future__ import annotations

import csv
import http.client
import io
import random
import socket
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.compare_page import ComparePage
from tests.browser.server import Server

Open = Callable[..., ComparePage]
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
STRANGER = "http://elsewhere.example"

NAME = f"<script>alert(1)</script>![]({STRANGER}/f.png)$x$:red[x].csv"
COLUMNS = (
    *("](javascript:alert(1))", "$x$ and $y$", ":red[x]", f"![]({STRANGER}/x.png)", f"[a]({STRANGER})"),
    *("<img src=x onerror=alert(2)>", "**b** `c`", "www.elsewhere.example", ":material/home: :smile:"),
)
CLASSES = (f"![]({STRANGER}/c.png)", "[c](javascript:alert(3))", "$z$", f'<a href="{STRANGER}">k</a>')
WORDS = ("=cmd()", f"[w]({STRANGER})", "<i>w</i>", "")
# Elements that can only come from text of the user.
MADE = """
() => [...document.querySelectorAll('a, img, script, iframe, .stMarkdownColoredText, [data-testid=stIconMaterial]')]
  .filter(found => !found.closest('[data-testid=stSidebarNav]'))
  .filter(found => /elsewhere|alert\\(/.test((found.getAttribute('href') || '').replace(/^#.*/, '') + found.src)
    || /^(x|home)$/.test(found.textContent))
  .map(found => found.outerHTML)
"""


def opening(server: Server, host: str, origin: str | None = None) -> int:
    """Open a WebSocket and return the HTTP status: 101 if it is accepted, 403 if not."""
    lines = ["GET /_stcore/stream HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Protocol: streamlit"]
    lines += [f"Origin: {origin}"] if origin else []
    with socket.create_connection((server.host.strip("[]"), server.port), 60) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(connection.recv(200).split()[1])


def asked(server: Server, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request(method, path, b"x" if method == "PUT" else None, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_only_pages_of_this_machine_may_connect(server: Server) -> None:
    assert opening(server, f"localhost:{server.port}", server.url) == 101
    assert opening(server, f"127.0.0.1:{server.port}") == opening(server, f"[::1]:{server.port}") == 101
    for host in ("elsewhere.example", f"elsewhere.example:{server.port}", "localhost.elsewhere.example"):
        assert opening(server, host) == opening(server, host, f"http://{host}") == 403
    for origin in (STRANGER, f"{STRANGER}:{server.port}", "null", "http://localhost.elsewhere.example"):
        assert opening(server, f"localhost:{server.port}", origin) == 403


def test_foreign_requests_cannot_upload_or_download(server: Server) -> None:
    for method in ("PUT", "DELETE"):
        assert asked(server, method, "/_stcore/upload_file/session/file").status == 403
        cookie = asked(server, "GET", "/_stcore/health").headers["Set-Cookie"].split(";")[0]
        assert asked(server, method, "/_stcore/upload_file/session/file", Cookie=cookie).status == 403
    for path in ("/", "/_stcore/health", "/_stcore/upload_file/session/file", "/media/0.csv"):
        for method in ("GET", "OPTIONS"):
            allowed = asked(server, method, path, Origin=STRANGER).headers["Access-Control-Allow-Origin"]
            assert allowed in (None, server.url)
    for path in (
        "/media/..%2f..%2fetc%2fpasswd",
        "/../../etc/passwd",
        "/media/..\\..\\etc\\passwd",
        "/media//etc/passwd",
    ):
        assert asked(server, "GET", path).status in (400, 404)


def hostile() -> bytes:
    """Return a CSV table of four classes with markup and code in all its words."""
    drawn = random.Random(0)
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow([*COLUMNS, "words", "label"])
    for row in range(120):
        kind = row % len(CLASSES)
        out.writerow(
            [*(f"{drawn.gauss(kind, 1):.3f}" for _ in COLUMNS), WORDS[row % 3 if row % 7 else 3], CLASSES[kind]]
        )
    return text.getvalue().encode()


@pytest.fixture
def dialogs() -> list[str]:
    return []


def assert_harmless(opened: ComparePage, dialogs: list[str], *shown: str) -> None:
    """Check that the page shows these words literally and that no text has become markup."""
    for words in shown:
        expect(opened.page.get_by_text(words).first).to_be_attached()
    opened.wait_until_idle()
    assert opened.page.evaluate(MADE) == [] and dialogs == []


def test_text_of_a_table_is_shown_literally_on_every_page(open_page: Open, dialogs: list[str]) -> None:
    """The fixture open_page checks that no other host is contacted."""
    opened = open_page("your-table")
    page: Page = opened.page
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.set_input_files("input[type=file]", {"name": NAME, "mimeType": "text/csv", "buffer": hostile()})
    assert_harmless(opened, dialogs, "120 rows of", "$x$:red[x].csv", "means anomaly")
    for closed in page.locator("[data-testid=stMain] [data-testid=stExpander] details:not([open]) > summary").all()[
        ::-1
    ]:
        closed.click()
    for icon in page.locator("[data-testid=stTooltipIcon]").all():
        icon.hover()
        expect(page.locator("[data-testid=stTooltipContent]").first).to_be_visible()
        assert page.evaluate(MADE) == []
    page.get_by_role("button", name="Keep on this machine …").click()
    assert_harmless(opened, dialogs, "stays on this machine")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Label by hand").click()
    page.wait_for_url("**/label*")
    assert_harmless(opened, dialogs, "Download all scores")
    table = page.locator(".st-key-table [role=combobox]").input_value()
    opened.open("zero-shot", table=table, seeds="1", steps="25", tasks="4", rows="20")
    assert_harmless(opened, dialogs, "All figures", "Normal in this batch")
    opened.open("compare", dataset=table, seeds="1", epochs="1", tab="split")
    assert_harmless(opened, dialogs, "On one seed", "Training sees")
    menu = page.get_by_test_id("stSidebarNavItems")
    menu.get_by_role("link", name="Runs", exact=True).click()
    assert_harmless(opened, dialogs, "of at most")
    menu.get_by_role("link", name="Your table", exact=True).click()
    page.get_by_role("button", name="Remove table").click()
    expect(page.locator("h5").first).to_contain_text("Upload a table")
