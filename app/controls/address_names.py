"""The names of options in an address, and the labels that bound widgets show and write in their place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, urlencode

from streamlit.runtime.scriptrunner import get_script_run_ctx

from .parameters import Parameter

__all__ = ["give_labels", "names_by_label"]


def give_labels(parameters: Iterable[Parameter]) -> None:
    """Give Streamlit the labels of options in place of the names in the query string, from which it fills widgets.

    It compares the query string with what the widgets show, and would drop a name. The browser's address stays.

    Parameters
    ----------
    parameters : iterable of Parameter
        The parameters whose names are replaced; their widgets are bound and not drawn yet.
    """
    context = get_script_run_ctx()
    given = parse_qs(context.query_string, keep_blank_values=True) if context else {}
    labeled = {p.name: [p.label_of(text) for text in given[p.name]] for p in parameters if p.name in given}
    if context is None or labeled.items() <= given.items():
        return
    context.query_string = urlencode(given | labeled, doseq=True)
    with context.session_state.query_params() as params:
        params.set_initial_query_params(context.query_string)
        params.populate_from_query_string(context.query_string)


def names_by_label(parameters: Iterable[Parameter]) -> dict[str, dict[str, Any]]:
    """Return how the labels of bound widgets become names in the address, by parameter, for assets/history.js.

    Parameters
    ----------
    parameters : iterable of Parameter
        The parameters of all bound widgets; one whose labels are the names is left out.

    Returns
    -------
    dict
        By parameter: "names", the name of each label, and "form", a pattern of labels whose group is the name.
    """
    return {
        parameter.name: {
            "names": {label: parameter.name_of(label) for label in parameter.widget_labels.values()},
            "form": parameter.form,
        }
        for parameter in parameters
        if parameter.widget_labels or parameter.form
    }
