"""The command `zero-shot`: meta-train on some classes and test on others, beside untrained references."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy as np

from anoonly_core.cli.options import parse_seeds
from anoonly_core.cli.progress import progress_bar
from anoonly_core.metrics.confidence import margin_of_error
from anoonly_core.results.store import default_store
from anoonly_core.zero_shot.class_table import CLASS_TABLES, load_class_table
from anoonly_core.zero_shot.config import RULES, SMALL_BATCH, ZeroShotConfig, make_zero_shot_config, smaller_class_sets
from anoonly_core.zero_shot.result import RATIOS, SCORER_LABELS, SIZES, ZeroShotResult
from anoonly_core.zero_shot.summary import describe_test_batches, independent_values

__all__ = ["add_parser"]

QUOTED_RATIO = 0.05
SETTINGS = ("objective", "tasks", "rows", "normal_share", "steps", "learning_rate", "test_rows")


def add_parser(commands: Any) -> None:
    """Add the command `zero-shot` and its options to the subparsers."""
    parser = commands.add_parser("zero-shot", help="detect anomalies of classes held out from training (ACR)")
    tables = ", ".join(CLASS_TABLES)
    parser.add_argument("--table", default="digits", metavar="NAME", help=f"{tables}, or the path of a file")
    parser.add_argument("--column", metavar="NAME", help=RULES["column"])
    parser.add_argument("--held-out", metavar="A,B", help=f"{RULES['held_out']}; default: the last half")
    parser.add_argument("--meta", metavar="A,B", help=RULES["meta"])
    for name in SETTINGS:
        rule = f"{RULES[name]}; default: {ZeroShotConfig.model_fields[name].default}"
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar="VALUE", help=rule)
    parser.add_argument("--seed", default="0", metavar="N", help=RULES["seed"])
    parser.add_argument(
        "--seeds", default="5", metavar="N", help="number of seeds, counting up from --seed; default: 5"
    )
    parser.add_argument("--class-counts", action="store_true", help="also train on 2, 3, … of the training classes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_zero_shot)


def _zero_shot(options: argparse.Namespace) -> None:
    seeded = _configs(options)
    configs = [own for config in seeded for own in (smaller_class_sets(config) if options.class_counts else [config])]

    # Imported after the options are checked, since torch takes seconds to load.
    import torch

    from anoonly_core.runs.run import warm_up
    from anoonly_core.zero_shot.run import run_zero_shot

    torch.set_num_threads(1)
    warm_up()
    with progress_bar("step", leave=False) as show:
        results = dict(zip(configs, run_zero_shot(configs, default_store(), show), strict=True))
    report = _report([results[config] for config in seeded])
    batches = describe_test_batches(seeded[0], load_class_table(options.table, options.column))
    report = {"config": seeded[0].model_dump(mode="json"), "seeds": len(seeded), "test_batches": batches, **report}
    if options.class_counts:
        report["by_class_count"] = _by_class_count(results)
    if seeded[0].test_rows < SMALL_BATCH:
        print(f"Batch statistics of fewer than {SMALL_BATCH} rows are unreliable: raise --test-rows.", file=sys.stderr)
    print(json.dumps(report, indent=1) if options.json else _as_text(report))


def _configs(options: argparse.Namespace) -> list[ZeroShotConfig]:
    """Return one config per seed from the parsed options, all with the same classes.

    If one of --held-out and --meta is unset, it gets all other classes of the table; if both are, the last half of the
    classes of the table is held out. Raise InvalidConfig for an invalid option, or the error of loading the table.
    """
    table = load_class_table(options.table, options.column)
    held_out, meta = (None if text is None else _names(text) for text in (options.held_out, options.meta))
    if held_out is None:
        left = [name for name in table.names if name not in (meta or ())]
        held_out = left if meta else left[(len(left) + 1) // 2 :]
    if meta is None:
        meta = [name for name in table.names if name not in held_out]
    first = make_zero_shot_config(
        table=options.table,
        column=options.column,
        held_out=held_out,
        meta=meta,
        seed=options.seed,
        **{name: getattr(options, name) for name in SETTINGS},
    )
    return [first.with_(seed=first.seed + number) for number in range(parse_seeds(options.seeds))]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _report(results: list[ZeroShotResult]) -> dict[str, Any]:
    """Return the report of the command `zero-shot` for JSON: AUCROC per scorer by share of anomalies and by batch size.

    Means are over seeds, classes and draws. std is the deviation over seeds and classes. margin is half of the 95 %
    interval over the held-out classes, or over seeds if one class is held out (see `independent_values`); lead_margin
    is that of batch statistics less the scorer. `results` holds one result per seed.
    """

    def of(name: str) -> dict[str, Any]:
        values = np.stack([getattr(result, name) for result in results]).mean(axis=4)  # [seeds, S, points, H]
        means, spreads = values.mean(axis=(0, 3)), values.std(axis=(0, 3))
        by_unit = [independent_values(results, name, point)[0] for point in range(means.shape[1])]
        return {
            scorer: {
                "mean": means[place].tolist(),
                "std": spreads[place].tolist(),
                "margin": [margin_of_error(units[scorer]) for units in by_unit],
                "lead_margin": [
                    margin_of_error(np.subtract(units["batch"], units[scorer]).tolist()) for units in by_unit
                ],
            }
            for place, scorer in enumerate(SCORER_LABELS)
        }

    first = results[0]
    return {
        "interval_over": independent_values(results, "by_ratio", 0)[1],
        "ratios": list(RATIOS),
        "ratio_rows": first.ratio_rows.tolist(),
        "aucroc_by_ratio": of("by_ratio"),
        "sizes": list(SIZES),
        "size_rows": first.size_rows.tolist(),
        "aucroc_by_size": of("by_size"),
    }


def _by_class_count(results: dict[ZeroShotConfig, ZeroShotResult]) -> dict[str, list[float]]:
    """Return the mean AUCROC of batch statistics at each of RATIOS, by the number of training classes as text."""
    counts = sorted({len(config.meta) for config in results})
    by_count = {n: [result.by_ratio[0] for config, result in results.items() if len(config.meta) == n] for n in counts}
    return {str(n): np.stack(values).mean(axis=(0, 2, 3)).tolist() for n, values in by_count.items()}


def _as_text(report: dict[str, Any]) -> str:
    config = report["config"]
    lines = [
        f"{config['table']}, {config['objective']}: trained on {', '.join(config['meta'])}; tested on "
        f"{', '.join(config['held_out'])}, {report['seeds']} seeds",
        *_block(report, "anomalies in the batch", [f"{ratio:.0%}" for ratio in report["ratios"]], "aucroc_by_ratio"),
        *_block(report, "rows in the batch", list(map(str, report["sizes"])), "aucroc_by_size"),
        *_leads(report),
    ]
    for count, means in report.get("by_class_count", {}).items():
        lines.append(f"{f'trained on {count} classes':30} " + " ".join(f"{mean:7.3f}" for mean in means))
    return "\n".join(lines)


def _block(report: dict[str, Any], title: str, points: list[str], name: str) -> list[str]:
    head = f"AUCROC by {title:20} " + " ".join(f"{point:>7}" for point in points)
    rows = [
        f"{SCORER_LABELS[own]:30} " + " ".join(f"{mean:7.3f}" for mean in report[name][own]["mean"])
        for own in SCORER_LABELS
    ]
    return [head, *rows]


def _leads(report: dict[str, Any]) -> list[str]:
    """Return lines of text on the lead of batch statistics over each other scorer, with 95 % intervals.

    The lead is in AUCROC at QUOTED_RATIO anomalies; `report` is that of the command.
    """
    point, areas = report["ratios"].index(QUOTED_RATIO), report["aucroc_by_ratio"]
    count = len(report["config"]["held_out"])
    over = (
        f"over the {count} held-out classes" if report["interval_over"] == "classes" else "over the seeds of one class"
    )
    lines = [
        f"batch statistics less the others at {QUOTED_RATIO:.0%} anomalies {report['test_batches']}, ± 95 % {over}:"
    ]
    for scorer, label in SCORER_LABELS.items():
        if scorer != "batch":
            lead, margin = (
                areas["batch"]["mean"][point] - areas[scorer]["mean"][point],
                areas[scorer]["lead_margin"][point],
            )
            lines.append(f"{label:30} {lead:+.3f}" + ("" if margin is None else f" ± {margin:.3f}"))
    return lines
