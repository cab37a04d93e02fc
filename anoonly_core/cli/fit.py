"""The command `fit`: train a detector on all rows of a table and save it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anoonly_core.cli.options import RUN_SETTINGS, add_settings, check_path, parse_configs, parse_share
from anoonly_core.cli.progress import progress_bar
from anoonly_core.cli.rules import add_prevalence_option, add_rule_options, parse_prevalence, parse_rule
from anoonly_core.data.split import SPLIT_FIELDS, labeled_anomalies
from anoonly_core.data.tables.files import printable
from anoonly_core.decision.rules import RULES
from anoonly_core.detector.result import FLAGGED_SHARE, HOLD_BACKS
from anoonly_core.errors import InvalidConfig

if TYPE_CHECKING:
    from anoonly_core.detector.estimator import AnoOnlyDetector

__all__ = ["add_parser"]

SUFFIX = ".safetensors"
MAX_SHARE = 0.5
AUTO = "auto"  # that of the estimator, whose module loads torch
# All but those of a split: a detector is trained on all rows.
SETTINGS = tuple(name for name in RUN_SETTINGS if name not in SPLIT_FIELDS or name == "seed")


def add_parser(commands: Any) -> None:
    """Add the command and its options to the subparsers."""
    parser = commands.add_parser("fit", help="train a detector on all rows of a table and save it for `score`")
    parser.add_argument(
        "dataset", metavar="TABLE", help="a file such as rows.csv or 'rows.csv?label=class&anomaly=4', or a data set"
    )
    parser.add_argument("--out", metavar="FILE", required=True, help=f"the {SUFFIX} file to write")
    flagging = parser.add_mutually_exclusive_group()
    flagging.add_argument(
        "--flagged-share",
        metavar="SHARE",
        default=AUTO,
        help="share of new rows like the normal and unlabeled ones that the detector flags, up to 0.5; default: chosen "
        f"from held-back labels, or {FLAGGED_SHARE:g} if fewer than six anomalies are labeled",
    )
    add_rule_options(flagging)
    add_prevalence_option(parser, "for --cost; default: that of the table if all rows are labeled")
    parser.add_argument(
        "--hold-back",
        choices=HOLD_BACKS,
        default=HOLD_BACKS[0],
        help="rows behind thresholds and p-values: all, by three further networks (folds), or a third that the "
        "detector is not trained on, whose promises hold exactly (split); default: folds",
    )
    add_settings(parser, SETTINGS)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=_fit)


def _fit(options: argparse.Namespace) -> None:
    is_auto, out = options.flagged_share == AUTO, _detector_path(options.out)
    share = None if is_auto else parse_share("--flagged-share", options.flagged_share, MAX_SHARE)
    rule = parse_rule(options)
    prevalence = parse_prevalence(options, rule[0] if rule else None, ("cost",))
    (config,) = parse_configs(options)

    # Imported after the options are checked, since torch takes seconds to load.
    import torch

    from anoonly_core.detector.scoring import detector_for_all_rows

    torch.set_num_threads(1)  # as in the workers of the page, so that the scores are bitwise equal
    with progress_bar("epoch", leave=False) as show:
        # Only the rule cost needs held-back labels, which the trainings for the threshold then lack.
        contamination = prevalence or share or (AUTO if rule is None else FLAGGED_SHARE)
        detector, split = detector_for_all_rows(config, contamination, show, rule, options.hold_back)
    threshold, reason = _threshold(detector)
    try:
        detector.save(out)
    except OSError as error:
        raise InvalidConfig(f"The detector could not be written to {printable(out)} ({error.strerror}).") from error
    report = {
        "detector": str(out),
        "config": {"dataset": config.dataset, **detector.config_},
        "counts": split.counts,
        "flagged_share": share,
        "rule": detector.rule,
        "level": detector.level,
        "hold_back": detector.hold_back,
        "threshold": threshold,
        "threshold_reason": reason,
        "features": detector.n_features_in_,
    }
    print(json.dumps(report, indent=1) if options.json else _as_text(report))


def _detector_path(name: str) -> Path:
    """Return the path of --out; raise InvalidConfig if no detector can be written there."""
    if Path(name).suffix != SUFFIX:
        raise InvalidConfig(f"--out must end in {SUFFIX}, not {Path(name).name[-60:]!r}.")
    return check_path("--out", name)


def _threshold(detector: AnoOnlyDetector) -> tuple[float | None, str]:
    """Return the threshold of a detector and its reason; None for a rule that judges the rows of a file together."""
    if detector.rule is not None and RULES[detector.rule].is_per_batch:
        return None, f"`score` flags the rows of a file together: {RULES[detector.rule].label} {detector.level:g}."
    return detector.threshold_, detector.threshold_reason_


def _as_text(report: dict[str, Any]) -> str:
    counts, config = report["counts"], report["config"]
    kinds = {"normal": counts["pool_normal"], "unlabeled": counts["pool_unlabelled"]}
    pool = " and ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
    head = config["baseline"] if config["lambda_n"] is None else f"{config['baseline']}, λ_n = {config['lambda_n']:g}"
    flags = "" if report["threshold"] is None else f"Flags scores above {report['threshold']:g}. "
    return "\n".join(
        (
            f"{head}, trained on all {counts['rows']} rows: {labeled_anomalies(counts)}, pool of "
            f"{pool} rows, {report['features']} features",
            f"{flags}{report['threshold_reason']} `score --top`, --share or --threshold chooses otherwise.",
            f"Written to {printable(report['detector'])}.",
        )
    )
