"""The command `purify`: clean a contaminated pool, then train the final head on the rest."""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
import pandas as pd

from anoonly_core.cli.options import add_run_options, check_table_path, parse_configs, write_table
from anoonly_core.cli.progress import progress_bar
from anoonly_core.data.catalogue import load_cached
from anoonly_core.purify.config import PURIFY_RULES, PurifyConfig, make_purify_config
from anoonly_core.purify.result import PurifyResult, pool_table
from anoonly_core.results.store import default_store

__all__ = ["add_parser"]

VARIANTS = {
    "before": "before",
    "after": "after",
    "random": "after removing as many at random",
    "oracle": "after removing exactly the contaminants",
}


def add_parser(commands: Any) -> None:
    """Add the command `purify` and its options to the subparsers."""
    parser = commands.add_parser("purify", help="remove suspicious rows from the pool, then train on the rest")
    add_run_options(parser)
    for name, rule in PURIFY_RULES.items():
        default = PurifyConfig.model_fields[name].default
        words = "the contamination, or 0.05 if it is unknown" if default is None else default
        parser.add_argument(f"--{name}", metavar="VALUE", help=f"{rule}; default: {words}")
    parser.add_argument(
        "--out", metavar="FILE", help="write the pool rows, most suspicious first, to a .csv or .parquet file"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_purify)


def _purify(options: argparse.Namespace) -> None:
    given = {name: getattr(options, name) for name in PURIFY_RULES}
    configs = [make_purify_config(run, **given) for run in parse_configs(options)]
    out = check_table_path(options.out)
    results = _purify_all(configs)
    if out is not None:
        write_table(_table(results), out)
    report = _report([result.summary() for result in results])
    print(json.dumps(report, indent=1) if options.json else _as_text(results[0].config, report))


def _purify_all(configs: list[PurifyConfig]) -> list[PurifyResult]:
    import torch  # imported after the options are checked, since torch takes seconds to load

    from anoonly_core.purify.run import purify_many
    from anoonly_core.runs.run import warm_up

    torch.set_num_threads(1)  # as in the workers of the page, which share the stored results
    warm_up()
    with progress_bar("epoch", leave=False) as show:
        return purify_many(configs, default_store(), show)


def _table(results: list[PurifyResult]) -> pd.DataFrame:
    tables = []
    for result in results:
        table = pool_table(result.pool_scores, result.config.remove, load_cached(result.config.run.dataset))
        table.insert(0, "seed", result.config.run.seed)
        tables.append(table)
    return pd.concat(tables)


def _report(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the report of the command `purify` for JSON: the runs, and mean and deviation of their figures.

    `runs` holds one `PurifyResult.summary` per seed. A figure that a run lacks is averaged over the others.
    """
    figures: dict[str, list[float]] = {}
    for run in runs:
        values = {name: run[name] for name in ("s_aucroc", "recall", "precision")}
        values |= {name: metrics["aucroc"] for name, metrics in run["metrics"].items()}
        values["gain"] = values["after"] - values["before"]
        values["gain_over_random"] = values["after"] - values["random"]
        for name, value in values.items():
            if value is not None:
                figures.setdefault(name, []).append(value)
    return {
        "runs": runs,
        "mean": {name: float(np.mean(values)) for name, values in figures.items()},
        "std": {name: float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for name, values in figures.items()},
    }


def _as_text(config: PurifyConfig, report: dict[str, Any]) -> str:
    run, seeds, counts = config.run, len(report["runs"]), report["runs"][0]["counts"]
    lambda_n = f"λ_n = {run.lambda_n:g}"
    models = (
        f"{config.parts} models, scorer {config.scorer}" if config.parts > 1 else f"1 model, scorer {config.scorer}"
    )
    lines = [
        f"{run.dataset}, {run.baseline}, {lambda_n}; {models}",
        f"pool of {counts['pool']} rows, {counts['contaminants']} of them known to be anomalies; "
        f"{counts['removed']} removed, {counts['contaminants_removed']} of them anomalies (seed {run.seed})",
    ]

    def line(words: str, name: str, sign: str = "") -> str:
        spread = f" ± {report['std'][name]:.4f}" if seeds > 1 else ""
        return f"{words:46}{report['mean'][name]:{sign}.4f}{spread}"

    if "s_aucroc" in report["mean"]:
        lines.append(line("AUCROC of the suspicion at finding contaminants", "s_aucroc"))
        lines += [line(f"{name} of the removal", name) for name in ("recall", "precision") if name in report["mean"]]
    lines += [line(f"AUCROC {words}", name) for name, words in VARIANTS.items() if name in report["mean"]]
    lines += [line("after − before", "gain", "+"), line("after − at random", "gain_over_random", "+")]
    lines.append(f"{seeds} seeds; ± is the standard deviation over them" if seeds > 1 else "1 seed")
    return "\n".join(lines)
