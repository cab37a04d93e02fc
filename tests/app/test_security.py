"""Security of the page: allowed hosts, and values that no widget offered."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit import net_util
from streamlit.testing.v1.element_tree import Selectbox
from streamlit.web.server import server_util
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from anoonly_core.data.tables.files import MAX_BYTES
from app.server import allowed_hosts
from app.server.allowed_hosts import LOCAL, host_names, server_arguments
from app.server.message_limit import MAX_MESSAGE
from app.text.markdown import escape_markdown
from tests.app.conftest import opened

ROOT = Path(__file__).parents[2]
HOST = "--server.allowedHosts="
CONFIG = tomllib.loads((ROOT / "app" / ".streamlit" / "config.toml").read_text("utf-8"))


def test_the_shipped_settings_serve_this_machine_alone() -> None:
    server = CONFIG["server"]
    assert server["address"] == "localhost" and tuple(server["allowedHosts"]) == LOCAL
    assert server["enableXsrfProtection"] and server["enableCORS"] and server["maxUploadSize"] == MAX_BYTES >> 20
    assert server["maxMessageSize"] <= 64 and server["maxWidgetStateSize"] << 20 <= MAX_MESSAGE
    assert not server["enableStaticServing"] and not server["enableAgentApi"]
    assert CONFIG["client"] == {"toolbarMode": "viewer", "showErrorDetails": "none", "allowedOrigins": []}
    assert CONFIG["browser"]["gatherUsageStats"] is False


@pytest.mark.parametrize("given", [[], ["--server.port", "1"], ["--server.address=localhost"]])
def test_arguments_for_this_machine_are_passed_on_unchanged(given: list[str]) -> None:
    assert server_arguments(given, {}) == given


def test_an_open_page_answers_to_this_machines_names_and_no_others() -> None:
    for given, environment in (
        (["--server.address", "0.0.0.0"], {}),
        (["--server.address=::"], {}),
        ([], {"STREAMLIT_SERVER_ADDRESS": "0.0.0.0"}),
    ):
        added = server_arguments(given, environment)[len(given) :]
        assert {*LOCAL, *host_names()} == {name.removeprefix(HOST) for name in added}
    assert server_arguments(["--server.address", "10.1.2.3"], {})[2:] == [f"{HOST}{n}" for n in (*LOCAL, "10.1.2.3")]
    named = ["--server.address", "0.0.0.0", f"{HOST}page.example.org"]
    assert server_arguments(named, {}) == named
    elsewhere = {"STREAMLIT_SERVER_ADDRESS": "0.0.0.0", "STREAMLIT_SERVER_ALLOWED_HOSTS": "page.example.org"}
    assert server_arguments([], elsewhere) == []


def test_streamlit_does_not_ask_for_the_external_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net_util, "get_external_ip", net_util.get_external_ip)  # put back at the end
    monkeypatch.setattr(net_util, "_make_blocking_http_get", lambda *_, **__: pytest.fail("asks a host outside"))
    allowed_hosts.disable_external_ip_lookup()
    assert not server_util.is_url_from_allowed_origins("http://elsewhere.example")


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    said: dict[str, object] = {f"server.{name}": value for name, value in CONFIG["server"].items()}
    said["server.corsAllowedOrigins"] = []
    monkeypatch.setattr("streamlit.config.get_option", said.__getitem__)
    yield said


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("localhost:8501", True), ("[::1]:8501", True), ("evil.example", False), ("localhost.evil.example", False)],
)
def test_streamlit_rejects_other_hosts(options: dict[str, object], host: str, allowed: bool) -> None:
    assert is_host_allowed(host) is allowed


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(("path", "hidden"), [("compare", False), ("compare", True), ("sweep", False)])
def test_a_file_on_the_server_is_no_data_set(
    path: str, hidden: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit accepts any text as the value of a select box, also one that is no option."""
    secret = tmp_path / "secret.csv"
    secret.write_text("a,label\n" + "".join(f"{row},{int(row % 5 == 0)}\n" for row in range(100)))
    sent = {"dataset": str(secret), "baseline": "no such system"}
    page = opened(path, dataset=str(secret), **({"hide": "dataset,baseline"} if hidden else {}))
    assert path != "compare" or any("a name from the catalogue" in said.value for said in page.warning)
    if hidden:
        for key, value in sent.items():
            page.session_state[key] = value
    else:
        states = {key: page.selectbox(key=key)._widget_state for key in sent}
        for key, value in sent.items():
            states[key].string_value = value
        honest = Selectbox._widget_state.fget  # type: ignore[attr-defined]
        crafted = property(lambda box: states[box.key] if box.key in states else honest(box))
        monkeypatch.setattr(Selectbox, "_widget_state", crafted)
    page.run()
    assert [caught.value for caught in page.exception] == [] and [said.value for said in page.error] == []
    assert not any("secret" in said.value for said in (*page.markdown, *page.code, *page.caption))
    assert "digits_3" in {str(box.value) for box in page.selectbox} or hidden


def test_escaped_text_is_no_markup() -> None:
    assert escape_markdown("[a](b)") == r"\[a\]\(b\)"
    for text in ("http://a.example", "HTTPS://a.example", "www.a.example", "me@a.example", ":material/home:", ":cat:"):
        assert text not in escape_markdown(text).replace("\\", ""), "Streamlit looks for these in the unescaped text"
        assert escape_markdown(text).replace("\\", "").replace("\u2060", "") == text
    assert escape_markdown("a: b, 13:25") == r"a\: b, 13\:25"
