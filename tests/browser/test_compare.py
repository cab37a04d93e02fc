"""The Compare page in a real browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from tests.browser.compare_page import ComparePage

Open = Callable[..., ComparePage]

WINDOW = (1280, 720)
# Trains for most of a minute on one core, in short epochs, so a worker can stop without being killed.
LONG = {"dataset": "breast_cancer", "batch_size": "2", "epochs": "250", "seeds": "1"}
QUICK = {"epochs": "5", "seeds": "1"}


def test_the_first_page_is_complete_and_fits_a_projector(compare_page: ComparePage) -> None:
    page = compare_page
    sentence = page.wait_for_figures()
    assert "Over 5 seeds DeepSAD + AnoOnly finds the anomalies better than DeepSAD: AUCPR 0." in sentence
    assert len(page.tiles) == 3
    for selector in ("h5", ".st-key-scores .js-plotly-plot", ".st-key-points .js-plotly-plot"):
        assert_visible(page, selector)
    boxes = page.page.locator("[data-testid=stMarkdown]", has_text="chance").all()
    for box in boxes:
        assert_inside(box.bounding_box())
    assert page.page.evaluate("window.scrollY") == 0
    assert page.parameters == {}


def assert_visible(page: ComparePage, selector: str) -> None:
    assert_inside(page.page.locator(selector).first.bounding_box())


def assert_inside(box: object) -> None:
    assert isinstance(box, dict)
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= WINDOW[0]
    assert box["y"] + box["height"] <= WINDOW[1]


def test_a_key_press_on_lambda_moves_the_figures(compare_page: ComparePage) -> None:
    page = compare_page
    default = page.wait_for_figures()
    begun = time.perf_counter()
    page.press("lambda_n", "ArrowLeft")
    page.wait_for_sentence("λₙ = 1e-06")
    first = time.perf_counter() - begun
    assert page.parameters["lambda_n"] == "1e-06"
    moved = page.wait_for_sentence("λₙ = 1e-06", "Over 5 seeds")
    print(f"\nkey press to the new sentence: {first:.1f} s; to all seeds: {time.perf_counter() - begun:.1f} s")
    page.wait_for_title("scores", "λₙ = 1e-06")
    assert moved != default
    begun = time.perf_counter()
    page.press("lambda_n", "ArrowRight")
    page.wait_for("said => document.querySelector('h5').innerText === said", default)
    print(f"back to a setting that is finished: {time.perf_counter() - begun:.1f} s")
    page.wait_for("() => location.search === ''")


def test_a_shared_link_restores_the_page(open_page: Open) -> None:
    given = {"dataset": "breast_cancer", "lambda_n": "0.01", "norm": "layer", "batch_size": "64"}
    given |= {"contamination": "0.02", "a": "lambda_n=0.1,epochs=5", **QUICK}
    page = open_page(**given)
    page.wait_for_figures()
    for name in ("Pin B as A", "Unpin A", "Share"):
        assert_inside(page.page.locator(".st-key-page_tools").get_by_role("button", name=name).bounding_box())
    before = page.flagged()
    page.press("threshold", *["ArrowLeft"] * 4)
    page.wait_for_new_counts(before)
    page.wait_for_thumb_in_address("threshold")
    begun = time.perf_counter()
    page.page.locator(".st-key-projection").get_by_text("t-SNE").click()
    page.wait_for_text("do not preserve distances between clusters")
    page.wait_for_points()
    print(f"\nt-SNE of three panels: {time.perf_counter() - begun:.1f} s")
    page.wait_until_idle()
    flagged, threshold = page.flagged(), page.parameters["threshold"]

    page.page.locator(".st-key-page_tools").get_by_role("button", name="Share").click()
    link = page.page.locator("[data-testid=stPopoverBody] code").inner_text()
    shared = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    assert shared == given | {"threshold": threshold, "projection": "tsne"}
    again = open_page(**shared)
    assert again.wait_for_figures() == page.sentence
    again.wait_for_points()
    assert again.parameters == page.parameters
    assert again.flagged() == flagged
    shown = {name: again.chosen(name) for name in ("norm", "batch_size", "contamination", "seeds")}
    assert shown == {"norm": "layer norm (layer)", "batch_size": "64", "contamination": "0.02", "seeds": "1"}
    assert again.slid("lambda_n") == "0.01"
    assert again.slid("threshold") == f"{threshold} %"
    badges = again.page.locator(".st-key-lambda_n, .st-key-dataset").all_inner_texts()
    assert ["A" in words.split() for words in badges] == [True, False], "λₙ moves B, the data set both"


def test_a_threshold_rule_shows_its_promise_and_stays_in_the_address(open_page: Open) -> None:
    has = "([name, text]) => new URLSearchParams(location.search).get(name) === text"
    page = open_page(**QUICK)
    page.wait_for_figures()
    before = page.flagged()
    page.choose("threshold_rule", "False-alarm rate")
    page.wait_for_text("Promised: on average 5 % of new normal rows are flagged.")
    page.wait_for_new_counts(before)
    page.wait_for(has, ["threshold_rule", "false_alarms"])
    page.press("rule_false_alarms", "ArrowRight")
    page.wait_for_text("Promised: on average 10 % of new normal rows are flagged.")
    page.wait_for(has, ["rule_false_alarms", "0.1"])
    page.wait_until_idle()
    page.page.reload()
    page.wait_for_text("Promised: on average 10 % of new normal rows are flagged.")
    assert page.chosen("threshold_rule") == "False-alarm rate" and page.slid("rule_false_alarms") == "10 %"


def test_another_baseline_and_its_network(open_page: Open) -> None:
    page = open_page(lambda_n="0.01", **QUICK)
    page.wait_for_figures()
    page.choose("baseline", "DevNet")
    page.wait_for_sentence("DevNet, λₙ = 0.01, batch norm, 5 epochs", "DevNet, no norm")
    page.wait_for_title("scores", "DevNet")
    page.wait_for_figures()
    page.page.get_by_role("tab", name="The method").click()
    page.wait_for_text("Learns one number for every row")
    networks = page.page.locator("[data-testid=stGraphVizChart] svg")
    networks.nth(1).wait_for()
    page.wait_until_idle()
    for network, norm in ((networks.nth(0), "batch norm"), (networks.nth(1), "no norm")):
        assert {"linear, 20", norm, "score F(x)"} <= set(network.locator("text").all_text_contents())
        box = network.bounding_box()
        assert box
        assert 300 <= box["x"] <= box["x"] + box["width"] <= WINDOW[0]
    page.choose("baseline", "GANomaly")
    page.wait_for_sentence("GANomaly, 5 epochs", "DeepSAD + AnoOnly")
    assert page.slider("lambda_n").is_disabled()
    assert page.parameters["lambda_n"] == "0.01", "the setting is kept for a baseline that has it"
    page.choose("baseline", "DeepSAD")
    page.wait_for_sentence("DeepSAD, λₙ = 0.01, 5 epochs")


def test_pinned_b_survives_a_reload(open_page: Open) -> None:
    page = open_page(lambda_n="0.01", norm="none", **QUICK)
    page.wait_for_figures()
    page.click("Pin B as A")
    page.wait_for_sentence("A and B are the same run")
    assert "lambda_n=0.01" in page.parameters["a"]
    page.choose("norm", "batch norm (batch)")
    said = page.wait_for_sentence("than DeepSAD, λₙ = 0.01, no norm")
    page.page.reload()
    assert page.wait_for_figures() == said
    page.click("Unpin A")
    page.wait_for("said => document.querySelector('h5').innerText !== said", said)
    page.wait_for("() => !location.search.includes('a=')")
    assert "no norm" not in page.wait_for_figures()


def test_an_invalid_link_is_reported_as_plain_text(open_page: Open) -> None:
    page = open_page(
        batch_size="0",
        color="red",
        lambda_n="![x](http://127.0.0.2:8080/x.png)",
        norm="[press](http://127.0.0.2:8080)",
        a="<b>x</b>",
    )
    page.wait_for_figures()
    for words in ("lambda_n must be a number from 0", "batch_size must be a whole number", "'color'", "pinned run"):
        page.wait_for_text(words)
    assert page.sentence.startswith("Over 5 seeds DeepSAD + AnoOnly")
    assert page.page.locator("[data-testid=stAlert] :is(img, b)").count() == 0
    assert page.page.get_by_role("link", name="press", exact=True).count() == 0


def test_a_reload_continues_the_run_and_cancel_frees_the_worker_for_others(open_page: Open) -> None:
    same = {**LONG, "a": "lambda_n=0,batch_size=2,epochs=250"}  # so that there is one run to follow
    page = open_page(**same)
    before = page.wait_for_epoch(15)
    page.page.reload()
    after = page.epoch()
    assert after >= before, "the reload restarted the training"
    page.click("Cancel")
    page.wait_for_text("Canceled")
    again = open_page(**same)
    anew = again.epoch()
    again.click("Cancel")
    again.wait_for_text("Canceled")
    assert anew < after, "the run continued after the cancel"
    again.click("Unpin A")
    again.choose("batch_size", "128")
    again.choose("dataset", "digits_low")  # beside it in the list
    again.wait_for_sentence("DeepSAD + AnoOnly, 250 epochs")
    again.wait_for_figures()
    assert "Canceled" not in again.text


def test_the_threshold_works_while_other_seeds_train(open_page: Open) -> None:
    page = open_page(epochs="150", seeds="10", lambda_n="0.1")
    page.wait_for_sentence("9 more seeds are training")
    page.wait_for_figures()
    counts = [page.flagged()]
    for _ in range(2):
        begun = time.perf_counter()
        page.press("threshold", *["ArrowLeft"] * 4)
        page.wait_for_new_counts(counts[-1])
        print(f"\nthreshold to new counts while seeds train: {time.perf_counter() - begun:.1f} s")
        assert "9 more seeds are training" in page.sentence or len(counts) > 1, "it waited for the training"
        page.wait_for_thumb_in_address("threshold")
        counts.append(page.flagged())
    for side in (0, 1):
        assert counts[0][side] > counts[1][side] >= counts[2][side]
    page.click("Cancel")
    page.wait_for_text("Canceled")


def test_rows_selected_in_one_map_are_marked_in_the_others(compare_page: ComparePage) -> None:
    page = compare_page
    page.lasso("points", left=0.02, right=0.12)
    page.wait_for_marks()
    page.wait_until_idle()
    marked = page.marked_points()
    assert 0 < marked[0] < 495
    assert marked == [marked[0]] * 3
    page.page.get_by_role("tab", name="Confusion and rows").click()
    page.wait_for_text("rows selected in the maps")
    assert page.marked_points() == marked
    page.press("lambda_n", "ArrowLeft")
    page.wait_for_sentence("λₙ = 1e-06", "Over 5 seeds")
