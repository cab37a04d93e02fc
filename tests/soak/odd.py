"""Test values for addresses and options: nearly valid, invalid and hostile."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

__all__ = ["FOREIGN", "MARK", "NEAR", "WRONG", "for_each", "fuzz_texts", "texts"]

Case = TypeVar("Case")

MARK = "zq7"  # part of all invalid values, so that quotations can be found

# Invalid for every setting. A quotation must show them literally.
WRONG = (
    MARK,
    f"<script>alert('{MARK}')</script>",
    f"<img src={MARK} onerror=alert(1)>",
    f"[{MARK}](javascript:alert(1))",
    f"](javascript:{MARK})",
    f"$\\{MARK}$",
    f":red[{MARK}]",
    f":material/{MARK}:",
    f"**{MARK}** `{MARK}` ~~{MARK}~~",
    f"# {MARK}",
    f"{{{MARK}}} %s %n {{0}}",
    f"../../../../etc/{MARK}",
    f"two\nlines of {MARK}",
    f"{MARK}\r\n\r\n| {MARK} |\n|---|",
    f"{MARK}\0",
    f"\u202e{MARK}\u2066",
    f"'{MARK}' \"{MARK}\"; rm -rf {MARK}",
    f"&lt;{MARK}&gt; &amp; &#0;",
    f"{MARK}=1,{MARK}=2",
    MARK * 2000,
    f"{MARK}🂡" * 50,
)

# Numbers and words that a setting may accept or misread.
NEAR = (
    *(
        "",
        " ",
        ",",
        ",,,",
        "=",
        "?",
        "-",
        "--",
        "0",
        "1",
        "-1",
        "2",
        "3.5",
        "1,0",
        "0,0.5,1",
        "-0",
        "-0.0",
        "+1",
        " 1 ",
    ),
    *("nan", "NaN", "inf", "-inf", "Infinity", "1e400", "-1e400", "1e-400", "1e-320", "1e308", "0x10", "1_0", "1e3"),
    *(
        "٣",
        "１",
        "½",
        "Ⅷ",
        "²",
        "1.0",
        "01",
        "1000",
        "1000000000",
        "10000000000",
        "9" * 400,
        "9" * 5000,
        "0." + "9" * 400,
    ),
    *(
        "2147483647",
        "2147483648",
        "9223372036854775808",
        "true",
        "false",
        "None",
        "null",
        "[]",
        "{}",
        "[1]",
        '{"a": 1}',
    ),
    *("all", "published", "paper", "natural", "auto", "cpu", "cuda", "none", "None", "..", ".", "/", "~", "*", "\t"),
)

# Possible in program arguments but not in an address: bytes that are not text.
FOREIGN = ("\udc80", f"{MARK}\udcff.csv", "\ud800\udc00"[:1])


def texts(most: int = 30) -> st.SearchStrategy[str]:
    """Draw any text that an address can contain."""
    return st.text(st.characters(exclude_categories=("Cs",)), max_size=most)


def fuzz_texts(plausible: Iterable[str] = ()) -> st.SearchStrategy[str]:
    """Draw values for a setting: plausible, nearly valid, invalid and random."""
    kinds = [st.sampled_from(NEAR), st.sampled_from(WRONG), texts()]
    if known := list(plausible):
        kinds = [st.sampled_from(known), st.sampled_from(known), *kinds]
    return st.one_of(kinds)


def for_each(cases: st.SearchStrategy[Case], count: int, do: Callable[[Case], None]) -> None:
    """Call `do` with a number of cases, equal on every run; `do` must not raise."""

    @seed(2305_18798)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def run(case: Case) -> None:
        do(case)

    run()
