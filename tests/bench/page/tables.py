"""Tables of the page's speed: stages of Compare, other pages in coarser stages, and a browser with an empty cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import quantiles

import numpy as np

from tests.bench.page.stages import STAGES
from tests.bench.page.visitor import Answer, Opening, Visitor, visiting

__all__ = ["page_speed"]

TIMES = 20
TIMES_OF_OTHERS = 5
TIMES_OF_OPENING = 5
WEIGHTS = 6  # stops of the slider of λ_n below that of the baseline
DATASET = "digits_3"
PARTS = {
    "browser sends": ("sent",),
    "server": ("arrived", "running", "submitted"),
    "worker": ("taken", "split", "trained", "evaluated", "stored", "finished"),
    "server draws": ("drawing", "serializing", "serialized"),
    "browser draws": ("received", "changed", "painted"),
}


def page_speed(times: int = TIMES) -> None:
    """Print all tables; `times` is the number of moved controls on Compare of each kind."""
    with visiting() as visitor:
        _print_openings([visitor.open_cold("compare", ["scores", "points"]) for _ in range(TIMES_OF_OPENING)])
        new, stored = _compare(visitor, times)
        _print_stages(new, stored)
        others = {
            "Microscope": _slider(visitor, "microscope", "microscope", "labeled_ratio"),
            "Why it works": _slider(visitor, "why", "why", "labeled_ratio"),
            "Sweep, first point": _sweep(visitor),
            "A lesson's commit": _lessons(visitor),
        }
        _print_parts({name: list(answers) for name, answers in others.items()})


# -- actions


def _compare(visitor: Visitor, times: int) -> tuple[list[Answer], list[Answer]]:
    """Move the slider of λ_n to values never trained, and back to trained ones; return the answers of both.

    A new share of labeled anomalies makes all values of λ_n new.
    """
    new: list[Answer] = []
    stored: list[Answer] = []
    share = 0.05
    while len(new) < times:
        share += 0.0011
        visitor.open("compare", {"dataset": DATASET, "labeled_ratio": f"{share:.4f}"})
        steps = min(WEIGHTS, times - len(new))
        new += _pressed(visitor, "ArrowLeft", steps)
        stored += _pressed(visitor, "ArrowRight", steps)
    return new, stored


def _pressed(visitor: Visitor, key: str, steps: int) -> list[Answer]:
    return [visitor.answer(lambda: visitor.compare.press("lambda_n", key), "scores") for _ in range(steps)]


def _slider(visitor: Visitor, path: str, chart: str, control: str) -> Iterator[Answer]:
    """Move a slider of a page, and yield the answers."""
    visitor.open(path, {"dataset": DATASET})
    for _ in range(TIMES_OF_OTHERS):
        yield visitor.answer(lambda: visitor.compare.press(control, "ArrowRight"), chart)


def _sweep(visitor: Visitor) -> Iterator[Answer]:
    """Start sweeps that are not trained yet, and yield the answers up to the first point; cancel each then."""
    for number in range(TIMES_OF_OTHERS):
        visitor.open("sweep", {"dataset": DATASET, "epochs": str(40 + number)})
        yield visitor.answer(lambda: visitor.page.click(".st-key-sweep_start button"), "sweep")
        visitor.page.click(".st-key-sweep_cancel button")
        visitor.page.wait_for_selector(".st-key-sweep_start button")


def _lessons(visitor: Visitor) -> Iterator[Answer]:
    """Commit a prediction of the first question of several lessons, and yield the answers."""
    for lesson in ("imbalance", "norms", "dirty_pool", "when_it_hurts", "small_batches"):
        visitor.page.goto(visitor.compare.url + f"/lessons?lesson={lesson}&step=1")
        visitor.page.get_by_text("Question 1 of").wait_for()
        visitor.page.locator("[data-testid=stMain] [role=radiogroup] label").first.click()
        visitor.page.wait_for_selector(".st-key-commit button:not([disabled])")
        yield visitor.answer(lambda: visitor.page.click(".st-key-commit button"), "scores")


# -- tables


def _ms(seconds: Sequence[float]) -> str:
    """Return the median and the quartiles of some seconds in milliseconds."""
    if len(seconds) < 2:
        return f"{1000 * seconds[0]:.0f}" if seconds else "-"
    low, middle, high = quantiles(seconds, n=4, method="inclusive")
    return f"{1000 * middle:.0f} ({1000 * low:.0f} to {1000 * high:.0f})"


def _print_openings(openings: Sequence[Opening]) -> None:
    print("\nCompare in a browser with an empty cache, shipped results:")
    print(
        f"first full page {_ms([opening.seconds for opening in openings])} ms, {openings[-1].megabytes:.1f} MB loaded"
    )
    _print_cpu([opening.cpu for opening in openings])


def _print_stages(new: Sequence[Answer], stored: Sequence[Answer]) -> None:
    print(f"\nCompare, λ_n moved by a key, {DATASET}, DeepSAD, five seeds; ms, median (quartiles) of {len(new)}\n")
    print("| Stage | never trained | stored |\n|---|--:|--:|")
    for name, words in STAGES.items():
        kinds = [[answer.stages[name] for answer in answers if name in answer.stages] for answers in (new, stored)]
        print(f"| {words} | {_ms(kinds[0])} | {_ms(kinds[1])} |")
    totals: dict[str, Callable[[Answer], float]] = {
        "**first movement**": lambda answer: answer.moved,
        "**first new figure**": lambda answer: answer.first,
        "**all seeds**": lambda answer: answer.whole,
    }
    for words, of in totals.items():
        print(f"| {words} | {_ms([of(answer) for answer in new])} | {_ms([of(answer) for answer in stored])} |")
    print(f"\nFirst new figure, 95th percentile: {1000 * np.percentile([answer.first for answer in new], 95):.0f} ms")
    for words, answers in (("never trained", new), ("stored", stored)):
        print(words, end=": ")
        _print_cpu([answer.cpu for answer in answers])


def _print_cpu(cpu: Sequence[dict[str, float]]) -> None:
    print("CPU ms: " + ", ".join(f"{group} {_ms([seconds[group] for seconds in cpu])}" for group in cpu[0]))


def _print_parts(pages: dict[str, list[Answer]]) -> None:
    print(f"\nOther pages, settings never trained; ms, median (quartiles) of {TIMES_OF_OTHERS}\n")
    print(
        f"| Page | {' | '.join(PARTS)} | first new figure | CPU of server, browser |\n|---|{'--:|' * (len(PARTS) + 2)}"
    )
    for name, answers in pages.items():
        cells = [
            _ms([sum(answer.stages.get(stage, 0.0) for stage in part) for answer in answers]) for part in PARTS.values()
        ]
        cpu = ", ".join(_ms([answer.cpu[group] for answer in answers]) for group in ("server", "browser"))
        print(f"| {name} | {' | '.join(cells)} | {_ms([answer.first for answer in answers])} | {cpu} |")
