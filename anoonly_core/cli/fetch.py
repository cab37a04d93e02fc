"""The command `fetch`: download data sets into the cache."""

from __future__ import annotations

import argparse
import json
from typing import Any

from anoonly_core.cli.progress import progress_bar
from anoonly_core.data.adbench.files import ManifestEntry, fetch, find_entry, manifest, verified_path
from anoonly_core.data.catalogue import resolve
from anoonly_core.data.tables.files import printable
from anoonly_core.errors import UnknownDataset

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command `fetch` and its options to the subparsers."""
    fetching = commands.add_parser("fetch", help="download data sets into the cache and verify them")
    fetching.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="a data set such as CIFAR10_0, or a folder of ADBench such as CV_by_ResNet18",
    )
    fetching.add_argument("--json", action="store_true", help="print one JSON array")
    fetching.set_defaults(command=_fetch)


def _fetch(options: argparse.Namespace) -> None:
    wanted: list[ManifestEntry] = []
    for name in options.names:
        if (found := find_entry(name)) is not None:
            wanted.append(found)
        elif family := [entry for entry in manifest().values() if entry.folder == name]:
            wanted += family
        else:
            resolve(name)
            raise UnknownDataset(f"{printable(name)} needs no download: it is bundled or a file of yours.")
    files: list[dict[str, str | int | None]] = []
    for entry in wanted:
        if (path := verified_path(entry)) is None:
            with progress_bar("B", total=entry.bytes, unit_scale=True, desc=entry.catalogue_name) as show:
                path = fetch(entry, show)
        files.append({"name": entry.catalogue_name, "path": str(path), "bytes": entry.bytes})
        if not options.json:
            print(path)
    if options.json:
        print(json.dumps(files, indent=1))
