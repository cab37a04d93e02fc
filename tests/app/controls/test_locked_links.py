"""A teacher's link: fixed controls cannot be moved, hidden ones are not drawn, and both keep the link's values."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from app.controls.registry import CONTROLS
from tests.app.conftest import opened

Open = Callable[..., AppTest]
LABELS = {control.name: control.label for control in CONTROLS}


@pytest.fixture
def open_page(server: None) -> Open:
    return lambda **parameters: opened(**{"epochs": "2", "seeds": "1", **parameters})


def drawn(page: AppTest) -> set[str]:
    return {str(widget.key) for widget in (*page.selectbox, *page.select_slider)}


def test_fixed_controls_are_shown_and_cannot_be_moved(open_page: Open) -> None:
    page = open_page(fix="dataset,norm", norm="layer")
    assert page.selectbox(key="dataset").disabled and page.selectbox(key="norm").disabled
    assert page.selectbox(key="norm").value == "layer"
    assert not page.select_slider(key="lambda_n").disabled


def test_hidden_controls_keep_the_links_values(open_page: Open) -> None:
    page = open_page(hide="norm,batch_size,epochs,pin", norm="none", baseline="DevNet")
    assert not drawn(page) & {"norm", "batch_size", "epochs"}
    assert "Pin B as A" not in [button.label for button in page.button]
    assert any("no norm" in text.value for text in page.markdown)
    page.select_slider(key="lambda_n").set_value(0.1).run()
    assert any("λₙ = 0.1, no norm" in text.value for text in page.markdown)
    assert not page.exception


def test_all_controls_can_be_hidden(open_page: Open) -> None:
    page = open_page(hide=",".join(LABELS))
    assert not drawn(page) & set(LABELS) and not page.error


def test_the_page_makes_such_links(open_page: Open) -> None:
    page = open_page(norm="layer")
    page.multiselect(key="class_fix").set_value(["dataset"]).run()
    page.multiselect(key="class_hide").set_value(["epochs", "pin"]).run()
    (link,) = (code.value for code in page.sidebar.get("code"))
    parameters = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    assert parameters == {"epochs": "2", "seeds": "1", "norm": "layer", "fix": "dataset", "hide": "epochs,pin"}
    opened = open_page(**parameters)
    assert opened.selectbox(key="dataset").disabled and "epochs" not in drawn(opened)
    assert not opened.sidebar.get("code")  # the class is not offered to make another one


def test_a_name_that_is_no_control_is_named(open_page: Open) -> None:
    page = open_page(hide="<b>x</b>,epochs,pin")
    (warning,) = page.warning
    assert "hide must be a control of the sidebar" in warning.value and "epochs" not in drawn(page)
