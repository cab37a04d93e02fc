"""The address holds names of options, which a renamed label leaves as they are; links that hold labels still open."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.controls.address_names import names_by_label
from app.controls.page_address import PageAddress, bound_parameters
from app.controls.parameters import Parameter
from app.text.labels import format_value
from app.views.clean.page import ADDRESS as CLEAN
from app.views.compare.url import ADDRESS as COMPARE
from app.views.label.page import ADDRESS as LABEL
from app.views.microscope.page import ADDRESS as MICROSCOPE
from app.views.why.page import ADDRESS as WHY

BOUND = (COMPARE, MICROSCOPE, WHY, CLEAN, LABEL)
PARAMETERS = {parameter.name: parameter for address in BOUND for parameter in address.parameters}
OF_ONE_VALUE = [parameter for parameter in PARAMETERS.values() if not parameter.many]


@pytest.mark.parametrize("parameter", OF_ONE_VALUE, ids=lambda parameter: parameter.name)
def test_each_option_has_a_name_in_the_address_for_its_label(parameter: Parameter) -> None:
    by_label = names_by_label(bound_parameters()).get(parameter.name, {}).get("names", {})
    for option in parameter.options:
        (name,) = parameter.texts(option)
        assert re.fullmatch(r"[\w./-]+", name)
        (label,) = parameter.widget_texts(option)
        assert parameter.name_of(label) == parameter.name_of(name) == name and parameter.label_of(name) == label
        assert parameter.read([name]) == parameter.read([label]) == (option, [])
        if label != name:
            assert by_label[label] == name


# Links as versions with labels in the address wrote them: they open whatever an option is called today.
OLD_LINKS = [
    (COMPARE, "norm", "batch norm (batch)", "batch"),
    (COMPARE, "norm", "batch norm without scale and shift (batch_no_affine)", "batch_no_affine"),
    (COMPARE, "norm", "a label of tomorrow (bn_loss)", "bn_loss"),
    (COMPARE, "batch_size", "by the preset (published)", "published"),
    (COMPARE, "epochs", "by the preset (published)", "published"),
    (COMPARE, "learning_rate", "by the preset (published)", "published"),
    (COMPARE, "contamination", "all that the data set has (natural)", "natural"),
    (COMPARE, "preset", "the authors' code (published_code)", "published_code"),
    (COMPARE, "protocol", "as published, with a leak (published)", "published"),
    (COMPARE, "threshold", "5 %", 5),
    (COMPARE, "view", "watch it learn", "learn"),
    (COMPARE, "projection", "t-SNE", "tsne"),
    (COMPARE, "projection", "UMAP", "umap"),
    (COMPARE, "tab", "Confusion and rows", "rows"),
    (COMPARE, "tab", "Training", "training"),
    (COMPARE, "tab", "The split", "split"),
    (COMPARE, "tab", "Take away", "export"),
    (COMPARE, "tab", "The method", "method"),
    (WHY, "preset", "the authors' code (published_code)", "published_code"),
    (CLEAN, "scorer", "DeepSAD without labels (svdd)", "svdd"),
    (CLEAN, "scorer", "FEAWAD's autoencoder (autoencoder)", "autoencoder"),
    (CLEAN, "remove", "the pool's contamination (known)", "known"),
    (LABEL, "norm", "layer norm (layer)", "layer"),
    (MICROSCOPE, "place", "norm 1 of 2, 128 features", 1),
    (MICROSCOPE, "place", "128 features", 1),
    (MICROSCOPE, "feature", "feature 17", 17),
    (MICROSCOPE, "feature", "all (root mean square)", "all"),
]


@pytest.mark.parametrize(("address", "name", "text", "value"), OLD_LINKS, ids=lambda part: getattr(part, "page", part))
def test_a_link_with_a_label_still_opens(address: PageAddress, name: str, text: str, value: Any) -> None:
    assert address.read({name: [text]}) == ({name: value}, [])
    assert address.named({name: [text], "a": ["norm=layer"]})["a"] == ["norm=layer"]
    assert re.fullmatch(r"[\w.-]+", format_value(value))


@pytest.mark.parametrize(
    ("name", "label", "given"),
    [
        ("place", "norm 2 of 3, 64 features", "2"),
        ("place", "norm 12 of 12, 8 features", "12"),
        ("feature", "feature 128", "128"),
        ("feature", "all (root mean square)", "all"),
        ("feature", "a feature 1", "a feature 1"),
    ],
)
def test_labels_that_depend_on_the_run_have_a_form(name: str, label: str, given: str) -> None:
    assert MICROSCOPE[name].name_of(label) == given
    assert names_by_label(bound_parameters())[name]["form"] == MICROSCOPE[name].form


@pytest.mark.parametrize(
    ("name", "text"),
    [("place", "0"), ("place", "nowhere"), ("place", "²"), ("feature", "-1"), ("feature", "x"), ("tab", "curve")],
)
def test_other_texts_are_refused_in_one_sentence(name: str, text: str) -> None:
    address = COMPARE if name == "tab" else MICROSCOPE
    values, (notice,) = address.read({name: [text]})
    assert values == {} and notice.startswith(f"The link's {name} must be ") and notice.endswith("used instead.")
