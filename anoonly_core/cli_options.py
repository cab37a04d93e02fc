"""The options that describe runs on the command line: a config's own settings, with dashes, and seeds."""

from __future__ import annotations

import argparse

from anoonly_core.baselines import BASELINES
from anoonly_core.config import RULES, RunConfig, make_config
from anoonly_core.data.catalogue import check_name
from anoonly_core.errors import InvalidConfig

__all__ = ["RUN_SETTINGS", "add_run_options", "configs_of", "seeds_of"]

MAX_SEEDS = 1000
RUN_SETTINGS = tuple(RunConfig.model_fields)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    for setting in RUN_SETTINGS:
        parser.add_argument(f"--{setting.replace('_', '-')}", dest=setting, metavar="VALUE", help=RULES[setting])
    parser.add_argument("--anomaly-only", action="store_true", help="λ_n = 0, which is AnoOnly")
    parser.add_argument("--seeds", metavar="N", help="run N seeds, counting up from --seed")


def configs_of(options: argparse.Namespace) -> list[RunConfig]:
    """The configs that the options ask for, one a seed; raises InvalidConfig or UnknownDataset."""
    given = {name: getattr(options, name) for name in RUN_SETTINGS}
    if options.anomaly_only:
        if given["lambda_n"] is not None:
            raise InvalidConfig("Give either --anomaly-only, which is λ_n = 0, or --lambda-n.")
        if given["baseline"] in BASELINES and not BASELINES[given["baseline"]].has("lambda_n"):
            raise InvalidConfig(f"{given['baseline']} has no λ_n, so leave --anomaly-only out.")
        given["lambda_n"] = 0.0
    first = make_config(**given)
    check_name(first.dataset)
    if options.seeds is None:
        return [first]
    return [first.with_(seed=first.seed + number) for number in range(seeds_of(options.seeds))]


def seeds_of(text: str) -> int:
    """How many seeds an option asks for; raises InvalidConfig."""
    try:
        seeds = int(text)
    except ValueError:
        seeds = 0
    if not 1 <= seeds <= MAX_SEEDS:
        raise InvalidConfig(f"seeds must be a whole number from 1 to {MAX_SEEDS}, not {text[:60]!r}.")
    return seeds
