"""The view Weak supervision of Reproduce: its sentences and its chart, from made rankings."""

from __future__ import annotations

import re

import pytest

from anoonly_core.weak_supervision.across import AcrossPoint, AcrossRanking, ranked_across, shipped_measures
from app.views.reproduce.mechanisms import across_figure
from app.views.reproduce.mechanisms_text import across_sentence, failed_sentences, single_sets_sentence
from tests.app.conftest import opened

NAMES = ("digits_1", "digits_2", "6_cardio")


def point(norm: str, delta: float, is_clear: bool, strength: float | None = None, **more: object) -> AcrossPoint:
    deltas = {name: delta + shift for name, shift in zip(NAMES, (-0.02, 0.0, 0.02), strict=True)}
    settings: dict[str, object] = {"better_on": (), "worse_on": (), "reach": 0.5, "is_clear": is_clear}
    return AcrossPoint(norm, strength, deltas=deltas, **(settings | more))  # type: ignore[arg-type]


def made(*points: AcrossPoint, lambda_n: float = 0.0) -> AcrossRanking:
    return AcrossRanking("DeepSAD", lambda_n, "batch_no_affine", dict.fromkeys(NAMES, 0.7), points)


WORSE = (
    point("layer", -0.3, True, reach=0.0),
    point("none", -0.5, True, reach=0.0),
    point("bn_loss", -0.25, True, 10.0, reach=0.9),
)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (
            (point("ghost", 0.041, True, 4.0), point("ghost", 0.03, True, 8.0), *WORSE),
            "Over 3 data sets, ghost batch norm, 4 is clearly better than batch norm for DeepSAD at λₙ = 0: 4.1 points "
            "ahead (± 5.0), ahead on 3 of 3; 3 are clearly worse, each at its best strength.",
        ),
        (
            (point("ghost", 0.041, True, 4.0), point("renorm", 0.03, True, 1.0)),
            "and so is 1 more of 2",
        ),
        (
            (point("ghost", 0.01, False, 4.0), *WORSE),
            "no mechanism is clearly better than batch norm for DeepSAD at λₙ = 0: the best of 4, ghost batch norm, 4, "
            "is 1.0 points ahead (± 5.0); 3 are clearly worse",
        ),
        ((point("none", -0.5, True),), "the best of 1, no norm, is 50.0 points behind (± 5.0); 1 is clearly worse"),
        ((), "No mechanism was measured for DeepSAD at λₙ = 0."),
    ],
)
def test_the_headline_says_what_the_tests_found(points: tuple[AcrossPoint, ...], words: str) -> None:
    assert words in across_sentence(made(*points))


def test_one_data_set_is_no_evidence_across_data_sets() -> None:
    only = AcrossRanking("DevNet", 0.0, "batch", {"digits_1": 0.7}, (point("ghost", 0.1, False, 4.0),))
    assert "One data set was measured for DevNet at λₙ = 0, digits_1, so a mean" in across_sentence(only)


def test_for_whom_names_data_sets_at_any_strength() -> None:
    assert "on no single data set" in single_sets_sentence(made(*WORSE))
    points = (
        point("ghost", 0.0, False, 4.0, better_on=("digits_1",)),
        point("ghost", -0.1, False, 8.0, better_on=("digits_1", "6_cardio")),
        *(point(norm, -0.2, False, better_on=("digits_2",)) for norm in ("layer", "rms", "group", "whiten")),
    )
    sentence = single_sets_sentence(made(*points))
    assert "are ghost batch norm on digits_1 and 6_cardio; layer norm on digits_2" in sentence
    assert sentence.endswith("; 1 more mechanisms on some.")


def test_what_did_not_work_is_said_of_both_kinds() -> None:
    cut, losses = failed_sentences(made(point("ghost", 0.01, False, 4.0), *WORSE))
    assert "with no gradient to the pool (layer norm; no norm): 30.0 to 50.0 points behind" in cut
    assert "(batch-norm loss): 25.0 points behind, although 90 % of the gradient reaches the pool" in losses
    assert failed_sentences(made(*WORSE, lambda_n=0.01)) == []
    (mixed,) = failed_sentences(made(point("layer", 0.1, False, reach=0.0), WORSE[1]))
    assert "between 10.0 points ahead and 50.0 behind" in mixed


def test_the_chart_has_a_mark_for_each_mechanism_and_data_set() -> None:
    ranking = ranked_across(shipped_measures(), "DeepSAD", 0.0)
    single, mean = across_figure(ranking).data
    assert len(mean.x) == len(ranking.best) and len(single.x) == sum(len(each.deltas) for each in ranking.best)
    assert list(mean.x) == [100 * each.delta for each in ranking.best]


def test_a_data_set_opens_on_the_page_weak_supervision(server: None) -> None:
    page = opened("reproduce", show="mechanisms", weight="0.01")
    assert re.search(r"at λₙ = 0\.01", page.markdown[0].value)
    assert any("python -m tests.bench.mechanisms" in text.value for text in page.markdown)
    page.selectbox(key="across DeepSAD").select("digits_3").run()
    assert not page.exception and any("**At λₙ = 0.01: " in text.value for text in page.markdown)
