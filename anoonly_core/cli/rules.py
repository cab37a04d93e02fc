"""Options for the rules that choose a threshold, one per rule of the registry."""

from __future__ import annotations

import argparse
from typing import Any

from anoonly_core.cli.options import parse_share
from anoonly_core.decision.rules import RULES
from anoonly_core.errors import InvalidConfig, InvalidInput

__all__ = ["add_prevalence_option", "add_rule_options", "parse_prevalence", "parse_rule"]

MAX_PREVALENCE = 0.5


def add_rule_options(group: Any) -> None:
    """Add to a parser, or a group of options that exclude each other, an option per rule of RULES."""
    for rule in RULES.values():
        judged = "; judges the scored rows together" if rule.is_per_batch else ""
        option = f"--{rule.name.replace('_', '-')}"
        group.add_argument(
            option,
            dest=f"rule_{rule.name}",
            metavar="NUMBER",
            help=f"threshold by the {rule.meaning}, above 0 and up to {rule.most:g}{judged}",
        )


def add_prevalence_option(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Add the option --prevalence; `purpose` ends its help text."""
    parser.add_argument(
        "--prevalence", metavar="SHARE", help=f"share of anomalies among new rows, up to {MAX_PREVALENCE:g}, {purpose}"
    )


def parse_rule(options: argparse.Namespace) -> tuple[str, float] | None:
    """Return name and number of the rule whose option is given, None without any; raise InvalidConfig for a bad one."""
    for name, rule in RULES.items():
        text = getattr(options, f"rule_{name}")
        if text is None:
            continue
        try:
            return name, rule.check(float(text))
        except (ValueError, InvalidInput):
            raise InvalidConfig(
                f"--{name.replace('_', '-')} must be a number above 0 and up to {rule.most:g}, not {text[:60]!r}."
            ) from None
    return None


def parse_prevalence(options: argparse.Namespace, rule: str | None, used_by: tuple[str, ...]) -> float | None:
    """Return the share that --prevalence gives, None without it.

    Raise InvalidConfig if it is none, or if the chosen `rule` is not one of `used_by`, to which it means something.
    """
    if options.prevalence is None:
        return None
    if rule not in used_by:
        names = " or ".join(f"--{name.replace('_', '-')}" for name in used_by)
        raise InvalidConfig(f"--prevalence goes with {names}: give that option, or leave it out.")
    return parse_share("--prevalence", options.prevalence, MAX_PREVALENCE)
