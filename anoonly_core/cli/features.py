"""The command `features`: images or texts through an encoder to a feature file, and a table of the encoders."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anoonly_core.cli.options import check_path, parse_int
from anoonly_core.cli.progress import progress_bar
from anoonly_core.data.feature_files import FeatureAbout, read_about
from anoonly_core.data.tables.files import printable
from anoonly_core.errors import InvalidConfig
from anoonly_core.features.encoders.registry import ENCODERS, EncoderSpec
from anoonly_core.features.run import FeatureSummary, make_features, partial_folder

__all__ = ["add_parser", "add_source_options", "parse_workers"]

SUFFIX = ".npz"
MAX_WORKERS = 64
LISTED_LABELS = 8
# Options for choices of the preprocessing: key, metavar and help.
WHOLE = {
    "resize": ("PIXELS", "resize the shorter side of a picture; 0 leaves it as it is"),
    "crop": ("PIXELS", "take the center of a picture, or for pixels resize it to this side"),
    "max_tokens": ("N", "read at most N tokens of a text"),
}
TRIPLES = {
    "mean": ("R,G,B", "subtract from red, green and blue, which are from 0 to 1"),
    "std": ("R,G,B", "divide red, green and blue by"),
}


def add_parser(commands: Any) -> None:
    """Add the command `features` and its options to the subparsers."""
    parser = commands.add_parser("features", help="turn images or texts into a file of features")
    parser.add_argument(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="a folder or .zip archive of images, or a table with a column of texts",
    )
    parser.add_argument("--list", action="store_true", help="list the encoders, and what is missing for each")
    parser.add_argument("--encoder", metavar="NAME", help="an encoder of --list, or another network of torchvision")
    parser.add_argument("--out", metavar="FILE", help=f"the {SUFFIX} file to write")
    parser.add_argument(
        "--label",
        metavar="COLUMN",
        help="the label column of the table, or for images a table of file names and labels; none for no labels; "
        "default: what is found",
    )
    parser.add_argument("--names", metavar="COLUMN", help="the column that names the rows of the table")
    parser.add_argument(
        "--anomaly",
        action="append",
        default=[],
        metavar="WORD",
        help="a label of anomalies; the file then has the labels 0 and 1; may be repeated",
    )
    add_source_options(parser)
    parser.add_argument("--seed", metavar="N", help="seed of --weights random; default: 0")
    for name, (metavar, text) in (*WHOLE.items(), *TRIPLES.items()):
        parser.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=f"{text}; default: as published")
    parser.add_argument(
        "--interpolation", choices=("bilinear", "bicubic"), help="filter of the resizing; default: as published"
    )
    parser.add_argument("--minutes", metavar="N", help="stop after N minutes; the same command then goes on there")
    parser.add_argument("--json", action="store_true", help="print one JSON object, or array with --list")
    parser.set_defaults(command=_features)


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add to a parser the options on how raw rows are read and encoded: --text, --weights and --workers."""
    parser.add_argument("--text", metavar="COLUMN", help="the column of texts; default: the one that is plainly meant")
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="a file or folder of weights, a model of a hub, or random; default: those of the encoder",
    )
    parser.add_argument("--workers", metavar="N", help="processes and threads; default: one per core")


def parse_workers(text: str | None) -> int | None:
    """Return the number of workers that an option gives, None if it is not given; raise InvalidConfig."""
    if text is None:
        return None
    if not 1 <= (workers := parse_int("--workers", text)) <= MAX_WORKERS:
        raise InvalidConfig(f"--workers must be a whole number from 1 to {MAX_WORKERS}, not {text[:60]!r}.")
    return workers


def _features(options: argparse.Namespace) -> None:
    if options.list:
        _list(options.json)
        return
    if options.source is None or options.encoder is None or options.out is None:
        names = ", ".join(ENCODERS)
        raise InvalidConfig(f"Name a SOURCE, --encoder ({names}) and --out, or ask for --list.")
    out = check_path("--out", options.out)
    if out.suffix != SUFFIX:
        raise InvalidConfig(f"--out must end in {SUFFIX}, not {out.name[-60:]!r}.")
    workers, seconds, choices = parse_workers(options.workers), _seconds(options.minutes), _choices(options)

    # Imported after the options are checked, since the libraries of encoders take seconds to load.
    from anoonly_core.features.encoders.registry import load_encoder
    from anoonly_core.features.opening import open_source

    source = open_source(Path(options.source), options.text, options.label, options.names)
    encoder = load_encoder(options.encoder, options.weights, choices)
    try:
        with progress_bar(source.kind, desc=source.title[:30]) as show:
            report = _told(show, source.kind)
            summary = make_features(
                source, encoder, out, report, workers, anomalies=options.anomaly, max_seconds=seconds
            )
    except KeyboardInterrupt:
        if partial_folder(out).is_dir():
            raise KeyboardInterrupt("Stopped. The same command goes on where it was.") from None
        raise
    for note in summary.notes:
        print(note, file=sys.stderr)
    about = read_about(out)
    assert about is not None
    if options.json:
        print(json.dumps(_report(summary, about), indent=1))
    else:
        print(_line(summary, source.kind))


def _told(show: Callable[[int, int | None], None], kind: str) -> Callable[[int, int], None]:
    """Return a callback that moves the progress bar, and says first where an interrupted run goes on."""
    begun = False

    def report(done: int, total: int) -> None:
        nonlocal begun
        if not begun and done:
            print(f"Going on after {done:,} of {total:,} {kind}s.", file=sys.stderr)
        begun = True
        show(done, total)

    return report


def _seconds(minutes: str | None) -> float | None:
    if minutes is None:
        return None
    try:
        number = float(minutes)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise InvalidConfig(f"--minutes must be a number above 0, not {minutes[:60]!r}.")
    return 60 * number


def _choices(options: argparse.Namespace) -> dict[str, object]:
    """Return the choices of the preprocessing that options give; raise InvalidConfig if one is no number."""
    choices: dict[str, object] = {}
    for name in WHOLE:
        if (text := getattr(options, name)) is not None:
            choices[name] = parse_int(f"--{name.replace('_', '-')}", text)
    for name in TRIPLES:
        if (text := getattr(options, name)) is not None:
            try:
                choices[name] = tuple(float(part) for part in text.split(","))
            except ValueError:
                raise InvalidConfig(f"--{name} must be three numbers such as 0.5,0.5,0.5, not {text[:60]!r}.") from None
    if options.interpolation is not None:
        choices["interpolation"] = options.interpolation
    if options.seed is not None:
        if options.weights != "random":
            raise InvalidConfig("--seed is that of --weights random: give both.")
        choices["random_seed"] = parse_int("--seed", options.seed)
    return choices


def _line(summary: FeatureSummary, kind: str) -> str:
    """Return the shape and the labels of a feature file in one line."""
    counts = [f"{printable(label) or 'none'} {count:,}" for label, count in summary.labels.items()]
    more = f" and {len(counts) - LISTED_LABELS} more" if len(counts) > LISTED_LABELS else ""
    labels = f"; labels: {', '.join(counts[:LISTED_LABELS])}{more}" if {*summary.labels} - {""} else ""
    return f"{printable(summary.path)}: {summary.rows:,} {kind}s × {summary.features:,} features{labels}"


def _report(summary: FeatureSummary, about: FeatureAbout) -> dict[str, Any]:
    return {
        "file": str(summary.path),
        "rows": summary.rows,
        "features": summary.features,
        "labels": dict(summary.labels),
        "encoder": about.encoder.model_dump(mode="json"),
        "source": about.source,
        "left_out": [left.model_dump() for left in about.left_out],
        "resumed_at": summary.resumed_at,
        "notes": list(summary.notes),
    }


def _list(as_json: bool) -> None:
    if as_json:
        print(json.dumps([_entry(spec) for spec in ENCODERS.values()], indent=1))
        return
    for spec in ENCODERS.values():
        dimension = "?" if spec.dimension is None else f"{spec.dimension:,}"
        size = f"{spec.weights_mb:.0f} MB" if spec.weights_mb else "-"
        state = f"needs {missing}" if (missing := spec.missing()) else "ready"
        print(f"{spec.name:20} {spec.kind:6} {dimension:>6} {size:>7}  {spec.license:24} {state}")


def _entry(spec: EncoderSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "kind": spec.kind,
        "library": spec.library or None,
        "dimension": spec.dimension,
        "weights_mb": spec.weights_mb,
        "license": spec.license,
        "weights_from": spec.weights_from,
        "choices": list(spec.choices),
        "missing": spec.missing() or None,
    }
