"""RunConfig: what a run can be, what it cannot, and the one sentence that says so."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from anoonly_core.baselines import BASELINES, BATCH_NORMS, GRADIENT_SHARES, NORM_LABELS, PRESETS
from anoonly_core.config import LABEL_SETTINGS, MAX_CONTAMINATION, RULES, RunConfig, check_field, make_config
from anoonly_core.errors import InvalidConfig

NAN, INF = math.nan, math.inf

# For each setting, values that it may have, as typed by a program or read from a URL, and what they become.
GOOD: dict[str, list[tuple[Any, Any]]] = {
    "dataset": [("CIFAR10_0", "CIFAR10_0"), ("a folder/ä.csv", "a folder/ä.csv")],
    "baseline": [(name, name) for name in BASELINES],
    "lambda_n": [(0, 0.0), (1, 1.0), ("1e-05", 1e-5), ("0.5", 0.5), (np.float32(0.5), 0.5), (5e-324, 5e-324)],
    "norm": [(name, name) for name in NORM_LABELS],
    "batch_size": [(1, 1), (65536, 65536), ("64", 64), (128.0, 128), ("128.0", 128), (np.int64(8), 8)],
    "epochs": [(1, 1), (10000, 10000), ("3", 3)],
    "learning_rate": [(1, 1.0), ("1e-4", 1e-4), (1e-9, 1e-9)],
    "labeled_ratio": [(1, 1.0), ("0.05", 0.05), (1e-9, 1e-9)],
    "normal_ratio": [(1, 1.0), ("0.5", 0.5)],
    "contamination": [
        ("natural", "natural"),
        (0, 0.0),
        ("0", 0.0),
        (0.8, 0.8),
        ("0.2", 0.2),
        (Decimal("0.1"), 0.1),
    ],
    "preset": [(name, name) for name in BASELINES["DeepSAD"].settings],
    "protocol": [(name, name) for name in ("leak_free", "published", "by_time", "by_group", "test_file")],
    "seed": [(0, 0), (2**31 - 1, 2**31 - 1), ("7", 7), (np.int64(3), 3)],
    **{name: [(0, 0.0), (1, 1.0), ("0.5", 0.5), (5e-324, 5e-324)] for name in GRADIENT_SHARES},
    "grad_place": [(name, name) for name in ("all", "first", "last")],
    "norm_strength": [(0, 0.0), (1, 1.0), ("4", 4.0), (1e6, 1e6)],
    "labeled_anomalies": [(1, 1), ("20", 20), (5.0, 5), (np.int64(3), 3)],
    "labeled_normals": [(0, 0), ("20", 20), (1_000_000, 1_000_000)],
    "labeled_normal_ratio": [(0, 0.0), ("1", 1.0), (2.5, 2.5)],
    "unlabeled_ratio": [(0, 0.0), (1, 1.0), ("0.5", 0.5)],
    "flipped_anomalies": [(0, 0.0), (1, 1.0), ("0.5", 0.5)],
    "flipped_normals": [(0, 0.0), (1, 1.0), ("0.01", 0.01)],
    "unseen_types": [(0, 0), ("3", 3), (1000, 1000)],
}
# Beside a setting of a norm, a norm that has it.
BESIDE: dict[str, dict[str, Any]] = {
    **{name: {"norm": "batch"} for name in GRADIENT_SHARES},
    "grad_place": {"norm": "batch", "grad_mean": 0},
    "norm_strength": {"norm": "variance_floor"},
    "unlabeled_ratio": {"labeled_normals": 1},
}

NO_NUMBERS = ["abc", "", "nan", "1,5", [], {}, b"\xff", 1j, object, np.zeros((2, 2))]
BAD: dict[str, list[Any]] = {
    "dataset": ["", "x" * 4097, 3, b"digits_3", ["digits_3"], "\udcff"],
    "baseline": ["", "deepsad", "DeepSAD ", 3, b"DeepSAD", [], {}, np.zeros((2, 2))],
    "lambda_n": [-1, 2, NAN, INF, -INF, -5e-324, 1 + 1e-15, "-1", "inf", 10**400, *NO_NUMBERS],
    "norm": ["", "nonE", "batchnorm", 3, []],
    "batch_size": [0, -3, 1.5, 65537, NAN, INF, "0", "1.5", 10**400, *NO_NUMBERS],
    "epochs": [0, -1, 2.5, 10001, NAN, *NO_NUMBERS],
    "learning_rate": [0, -1e-3, 1.1, NAN, INF, *NO_NUMBERS],
    "labeled_ratio": [0, -0.0, -0.1, 1.1, NAN, INF, *NO_NUMBERS],
    "normal_ratio": [0, -0.1, 1.1, NAN, INF, *NO_NUMBERS],
    "contamination": [-0.1, 0.81, 1, NAN, INF, "naturall", "Natural", "nan", True, *NO_NUMBERS],
    "preset": ["", "Paper", 3, [], {}, np.zeros((2, 2))],
    "protocol": ["", "leak-free", 3, []],
    "seed": [-1, 2**31, 1.5, NAN, 10**400, *NO_NUMBERS],
    **{name: [-0.1, 1.1, NAN, INF, 10**400, *NO_NUMBERS] for name in GRADIENT_SHARES},
    "grad_place": ["", "First", "middle", 1, [], {}],
    "norm_strength": [-1, 1e6 + 1, NAN, INF, 10**400, *NO_NUMBERS],
    "labeled_anomalies": [0, -1, 1.5, 1_000_001, NAN, *NO_NUMBERS],
    "labeled_normals": [-1, 0.5, 1_000_001, NAN, *NO_NUMBERS],
    "labeled_normal_ratio": [-0.1, 1001, NAN, INF, *NO_NUMBERS],
    "unlabeled_ratio": [-0.1, 1.1, NAN, INF, *NO_NUMBERS],
    "flipped_anomalies": [-0.1, 1.1, NAN, *NO_NUMBERS],
    "flipped_normals": [-0.1, 1.1, NAN, *NO_NUMBERS],
    "unseen_types": [-1, 0.5, 1001, NAN, *NO_NUMBERS],
}


def assert_one_sentence(error: InvalidConfig) -> None:
    text = str(error)
    assert text.endswith((".", "?")) and text.isprintable() and len(text) < 300, text


def test_every_setting_is_tried_here_and_described() -> None:
    assert list(GOOD) == list(BAD) == list(RULES) == list(RunConfig.model_fields)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_value_becomes_what_it_means(name: str) -> None:
    for value, meant in GOOD[name]:
        found = getattr(make_config(**{name: value}, **BESIDE.get(name, {})), name)
        assert found == meant and type(found) is type(meant), repr(value)
        assert check_field(name, value) == meant, repr(value)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_refused_by_the_name_of_its_setting(name: str) -> None:
    for value in BAD[name]:
        for refuse in (partial(make_config, **{name: value}), partial(check_field, name, value)):
            with pytest.raises(InvalidConfig) as caught:
                refuse()
                pytest.fail(f"{value!r} is taken")
            assert str(caught.value).startswith(f"{name} must be {RULES[name]}, not ")
            assert_one_sentence(caught.value)


def test_the_sentence_shows_the_value() -> None:
    with pytest.raises(InvalidConfig) as caught:
        make_config(lambda_n=-1)
    assert str(caught.value) == "lambda_n must be a number from 0 (AnoOnly) to 1 (the baseline), not -1."


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("baseline", "deepsad", "DeepSAD"),
        ("baseline", "DevNett", "DevNet"),
        ("norm", "Layer", "layer"),
        ("preset", "published-code", "published_code"),
        ("protocol", "leakfree", "leak_free"),
        ("contamination", "Natural", "natural"),
    ],
)
def test_a_mistyped_word_gets_a_suggestion(name: str, value: str, meant: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        make_config(**{name: value})
    assert f"not {value!r}: did you mean {meant}" in str(caught.value)


def test_a_word_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(InvalidConfig, match=r", not 'xyz'\.$"):
        make_config(baseline="xyz")


@pytest.mark.parametrize("name", ["lambda", "Seed", "", "norm ", "two\nlines", "model_config"])
def test_an_unknown_setting_is_refused(name: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        make_config(**{name: 1})
    near = {"lambda": "lambda_n", "Seed": "seed", "norm ": "norm"}.get(name)
    end = f": did you mean {near}?" if near else "."
    assert str(caught.value) == f"There is no setting called {name!r}{end}"
    assert_one_sentence(caught.value)


@pytest.mark.parametrize("wrong", ["baseline", "preset"])
def test_a_wrong_name_does_not_hide_behind_what_it_would_fill_in(wrong: str) -> None:
    with pytest.raises(InvalidConfig, match=f"^{wrong} must be"):
        make_config(**{wrong: "nobody's"})


def test_none_means_published() -> None:
    assert make_config(**dict.fromkeys(RunConfig.model_fields)) == make_config()
    assert make_config().defaults_among(LABEL_SETTINGS) == [*LABEL_SETTINGS]
    config = make_config()
    assert (config.dataset, config.baseline, config.preset) == ("digits_3", "DeepSAD", "paper")
    assert (config.lambda_n, config.contamination, config.protocol, config.seed) == (
        1.0,
        "natural",
        "leak_free",
        0,
    )
    assert (config.labeled_ratio, config.normal_ratio) == (0.1, 1.0)


@pytest.mark.parametrize(("name", "preset"), [(name, p) for name, b in BASELINES.items() for p in b.settings])
def test_what_is_not_given_is_what_is_published(name: str, preset: str) -> None:
    config = make_config(baseline=name, preset=preset)
    published = BASELINES[name].settings[preset]
    assert (config.epochs, config.batch_size, config.learning_rate) == (
        published.epochs,
        published.batch_size,
        published.learning_rate,
    )
    norms = BASELINES[name].norms
    if norms is None:
        assert config.norm is None and config.lambda_n is None
        return
    assert (config.norm, config.lambda_n) == (norms[preset][0], 1)
    for lambda_n in (0, 0.5, "1e-06", 1 - 2**-53):
        assert make_config(baseline=name, preset=preset, lambda_n=lambda_n).norm == norms[preset][1]


def test_the_norm_is_paired_with_lambda_n() -> None:
    """docs/methods.md § 1: one norm at λ_n = 1, the baseline, the other below."""
    changing = replace(BASELINES["DeepSAD"], norms={"paper": ("none", "batch")})
    assert changing.paired_norm(1, "paper") == changing.paired_norm(1.0, "paper") == "none"
    assert {changing.paired_norm(value, "paper") for value in (1 - 2**-53, 0.5, 1e-9, 0, NAN)} == {"batch"}


LACKING = [
    (name, setting, value)
    for name, baseline in BASELINES.items()
    for setting, value in (
        ("lambda_n", 0.5),
        ("norm", "batch"),
        ("batch_size", 64),
        ("epochs", 7),
        ("learning_rate", 0.1),
        ("preset", "published_code"),
    )
    if not baseline.has(setting)
]


@pytest.mark.parametrize(("name", "setting", "value"), LACKING)
def test_a_setting_that_a_system_lacks_is_refused_by_name(name: str, setting: str, value: Any) -> None:
    with pytest.raises(InvalidConfig, match=rf"^{name} has no {setting}.*\.$"):
        make_config(baseline=name, **{setting: value})


def test_comparators_lack_what_they_should() -> None:
    lacking = {name: {setting for other, setting, _ in LACKING if other == name} for name in BASELINES}
    assert lacking["REPEN"] == lacking["GANomaly"] == {"lambda_n", "norm", "preset"}
    assert lacking["XGBOD"] == {"lambda_n", "norm", "batch_size", "epochs", "learning_rate", "preset"}
    assert lacking["LogisticRegression"] == lacking["XGBOD"] - {"preset"}
    assert lacking["Classifier"] == {"preset"} and lacking["nnPU"] == lacking["RoSAS"] == {"lambda_n", "norm", "preset"}
    assert not any(lacking[name] for name in ("DeepSAD", "DevNet", "FEAWAD", "PReNet"))


@pytest.mark.parametrize(("name", "smallest"), [("DevNet", 2), ("FEAWAD", 2), ("PReNet", 4)])
def test_a_batch_with_no_room_for_a_labeled_anomaly_is_refused(name: str, smallest: int) -> None:
    assert make_config(baseline=name, batch_size=smallest).batch_size == smallest
    with pytest.raises(InvalidConfig, match=f"batch_size must be {smallest} or more for {name}"):
        make_config(baseline=name, batch_size=smallest - 1)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", BASELINES)
def test_a_system_takes_the_presets_that_it_has(name: str, preset: str) -> None:
    if preset in BASELINES[name].settings:
        assert make_config(baseline=name, preset=preset).preset == check_field("preset", preset) == preset
        return
    presets = " and ".join(BASELINES[name].settings)
    with pytest.raises(InvalidConfig, match=f"^{name} has no preset '{preset}', only {presets}"):
        make_config(baseline=name, preset=preset)


def test_the_schema_and_the_registry_have_the_same_presets() -> None:
    assert get_args(RunConfig.model_fields["preset"].annotation) == PRESETS
    assert all(f"'{preset}'" in RULES["preset"] for preset in PRESETS)


@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES.keys())
def test_every_baseline_is_published_in_full(baseline: Any) -> None:
    assert tuple(baseline.settings)[:2] in (("paper", "published_code"), ("paper",), ("default", "tuned"), ("default",))
    for pair in (baseline.norms or {}).values():
        assert set(pair) <= set(NORM_LABELS)
    assert baseline.revision >= 1
    assert baseline.summary.endswith(".")


@pytest.mark.parametrize("name", ["lambda_n", "contamination"])
def test_there_is_one_zero(name: str) -> None:
    zeros = [make_config(**{name: zero}) for zero in (0, 0.0, -0.0, "0", "-0.0", "0e5", np.float32(-0.0))]
    assert {config.canonical() for config in zeros} == {zeros[0].canonical()}
    assert all(math.copysign(1, getattr(config, name)) == 1 for config in zeros)


def test_equal_configs_have_one_canonical_form() -> None:
    typed = make_config(lambda_n=1e-5, batch_size=64, contamination=0.1, seed=3)
    read = make_config(seed="3", contamination="0.10", batch_size="64.0", lambda_n="0.00001")
    assert typed == read and typed.canonical() == read.canonical()
    assert "\n" not in typed.canonical()
    assert make_config(**json.loads(typed.canonical())) == typed


def test_every_setting_is_part_of_the_canonical_form() -> None:
    other = {
        "dataset": "digits_4",
        "lambda_n": 0.5,
        "norm": "layer",
        "batch_size": 7,
        "epochs": 7,
        "learning_rate": 0.5,
        "labeled_ratio": 0.5,
        "normal_ratio": 0.5,
        "contamination": 0.5,
        "preset": "published_code",
        "protocol": "published",
        "seed": 7,
    } | ({"baseline": list(BASELINES)[1]} if len(BASELINES) > 1 else {})
    forms = {make_config().canonical()} | {make_config(**{name: value}).canonical() for name, value in other.items()}
    assert len(forms) == len(other) + 1


def test_with_keeps_the_rest() -> None:
    config = make_config(
        dataset="digits_8",
        lambda_n=0.5,
        norm="layer",
        batch_size=7,
        epochs=9,
        learning_rate=0.25,
        labeled_ratio=0.5,
        normal_ratio=0.75,
        contamination=0.2,
        preset="published_code",
        protocol="published",
        seed=3,
    )
    for name, value in {"lambda_n": 0, "seed": "4", "contamination": "natural", "preset": "paper"}.items():
        changed = config.with_(**{name: value})
        assert changed.model_dump() == config.model_dump() | {name: check_field(name, value)}
    assert config.with_() == config
    assert config.with_(batch_size=None, learning_rate=None).batch_size == 128
    with pytest.raises(InvalidConfig, match=r"^seed must be"):
        config.with_(seed=-1)
    with pytest.raises(InvalidConfig, match="no setting called 'seeds'"):
        config.with_(seeds=2)


def test_a_config_does_not_change() -> None:
    config = make_config()
    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 1  # type: ignore[misc]
    assert config == make_config() and hash(config) == hash(make_config())
    assert config != make_config(seed=1)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=80),
    st.binary(max_size=8),
    st.complex_numbers(),
    st.decimals(),
    st.fractions(),
    st.lists(st.integers() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.sampled_from([value for values in GOOD.values() for value, _ in values]),
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(RunConfig.model_fields, ANYTHING)))
@example({"preset": []})
@example({"lambda_n": 10**400})
@example({"unlabeled_ratio": False})
def test_whatever_is_given_a_config_or_one_sentence_comes_back(values: dict[str, Any]) -> None:
    try:
        config = make_config(**values)
    except InvalidConfig as error:
        assert_one_sentence(error)
        assert str(error).split()[0] in values
    else:
        assert make_config(**config.model_dump()) == config
        assert make_config(**json.loads(config.canonical())) == config


@given(
    st.floats(0, 1),
    st.floats(0, MAX_CONTAMINATION) | st.just("natural"),
    st.integers(1, 65536),
    st.integers(0, 2**31 - 1),
)
def test_what_a_url_holds_is_what_was_meant(lambda_n: float, contamination: float | str, size: int, seed: int) -> None:
    config = make_config(lambda_n=lambda_n, contamination=contamination, batch_size=size, seed=seed)
    as_text = {name: str(value) for name, value in config.model_dump().items() if value is not None}
    assert make_config(**as_text).canonical() == config.canonical()


@pytest.mark.parametrize("name", GRADIENT_SHARES)
def test_a_gradient_share_needs_batch_norm(name: str) -> None:
    for norm in set(NORM_LABELS) - set(BATCH_NORMS):
        with pytest.raises(InvalidConfig, match=f"^{name} scales the gradient of batch norm") as caught:
            make_config(norm=norm, **{name: 0.5})
        assert_one_sentence(caught.value)
        assert make_config(norm=norm, **{name: 1}) == make_config(norm=norm)
    with pytest.raises(InvalidConfig, match="batch norm"):
        make_config(baseline="XGBOD", **{name: 0})


@pytest.mark.parametrize("name", GRADIENT_SHARES)
def test_a_whole_gradient_keeps_the_key_of_a_run(name: str) -> None:
    whole = make_config(lambda_n=0, **{name: 1})
    assert not any(share in whole.canonical() for share in GRADIENT_SHARES)
    cut = whole.with_(**{name: 0.25})
    assert f'"{name}": 0.25' in cut.canonical()
    assert make_config(**json.loads(cut.canonical())) == cut


@pytest.mark.parametrize("name", GRADIENT_SHARES)
def test_the_place_of_the_shares_is_stored_where_it_has_an_effect(name: str) -> None:
    cut = make_config(lambda_n=0, **{name: 0})
    first, last = (cut.with_(grad_place=place) for place in ("first", "last"))
    assert len({cut.canonical(), first.canonical(), last.canonical()}) == 3
    assert "grad_place" not in cut.canonical() and '"grad_place": "first"' in first.canonical()
    assert first.with_(**{name: 1}) == cut.with_(**{name: 1})
    for other in ("DevNet", "FEAWAD", "PReNet", "Classifier"):
        whole = make_config(baseline=other, norm="batch", **{name: 0})
        assert whole.with_(grad_place="last") == whole
    with pytest.raises(InvalidConfig, match=r"^grad_place must be all, first or last"):
        cut.with_(grad_place="middle")


OTHER_LABELS = {
    "labeled_anomalies": 5,
    "labeled_normals": 3,
    "labeled_normal_ratio": 1.0,
    "unlabeled_ratio": 0.5,
    "flipped_anomalies": 0.2,
    "flipped_normals": 0.01,
    "unseen_types": 1,
}


@pytest.mark.parametrize("name", LABEL_SETTINGS)
def test_a_label_setting_at_its_default_keeps_the_key_of_a_run(name: str) -> None:
    assert not any(f'"{setting}"' in make_config().canonical() for setting in LABEL_SETTINGS)
    other = make_config(**{name: OTHER_LABELS[name]})
    assert f'"{name}": {OTHER_LABELS[name]}' in other.canonical()
    assert make_config(**json.loads(other.canonical())) == other


def test_a_number_and_a_share_of_labels_exclude_each_other() -> None:
    with pytest.raises(InvalidConfig, match="labeled_anomalies is the number of labels and labeled_ratio their share"):
        make_config(labeled_anomalies=5, labeled_ratio=0.2)
    assert make_config(labeled_anomalies=5, labeled_ratio=0.1).labeled_anomalies == 5


def test_no_unlabeled_row_needs_known_normal_ones() -> None:
    with pytest.raises(InvalidConfig, match=r"^unlabeled_ratio 0 leaves no normal row") as caught:
        make_config(unlabeled_ratio=0)
    assert_one_sentence(caught.value)
    assert make_config(unlabeled_ratio=0, labeled_normal_ratio=1).unlabeled_ratio == 0
