"""Time and memory of a run on a quarter, a half and all of 10_cover, each in a new process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from anoonly_core.config import make_config
from anoonly_core.data.catalogue import load_cached
from anoonly_core.errors import AnoOnlyError
from anoonly_core.runs.run import RunProgress, run, run_many
from tests.bench.processes import forget_peak, peak_bytes

DATASET = "10_cover"
PARTS = (4, 2, 1)
EPOCHS = 4


def with_more_rows() -> None:
    """Print the table."""
    try:
        whole = load_cached(DATASET)
    except AnoOnlyError as error:
        print(f"\nScale: left out, for {DATASET} is not at hand ({error})")
        return
    print(
        f"\nDeepSAD on {DATASET}, published settings but {EPOCHS} epochs: load, split, train, score, metrics, sample."
    )
    print("Peak memory above that of a process that has run a tiny set, beside the float32 feature matrix.")
    print(f"{'rows':>8} {'s an epoch':>10} {'µs a row':>9} {'peak MB':>8} {'× matrix':>9} {'slope, × matrix':>16}")
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for part in PARTS:
            name = DATASET
            if part > 1:  # with the data type of the whole file
                name = str(Path(folder) / f"{part}.npz")
                X = whole.X[::part].astype(np.int16) if (whole.X % 1 == 0).all() else whole.X[::part]
                np.savez_compressed(name, X=np.asfortranarray(X), y=whole.y[::part].astype(np.int64))
            command = [sys.executable, "-m", "tests.bench.scale", name]
            answer = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout
            measured.append(json.loads(answer.splitlines()[-1]))
    row_bytes = 4 * whole.columns
    slopes = [
        "",
        *(f"{(b['peak'] - a['peak']) / (b['rows'] - a['rows']) / row_bytes:.2f}" for a, b in pairwise(measured)),
    ]
    for found, slope in zip(measured, slopes, strict=True):
        rows, seconds, peak = found["rows"], found["epoch_seconds"], found["peak"]
        figures = f"{rows:8} {seconds:10.2f} {1e6 * seconds / rows:9.2f} {peak / 1e6:8.1f}"
        print(f"{figures} {peak / (rows * row_bytes):9.2f} {slope:>16}", flush=True)


def measure(name: str) -> dict[str, float]:
    """Run once; return rows, seconds per epoch after the first, and peak bytes above those after a tiny run."""
    torch.set_num_threads(1)
    run(make_config(dataset="digits_3", epochs=2), "cpu")
    forget_peak()
    idle = peak_bytes()
    ended: list[float] = []

    def note(progress: RunProgress) -> None:
        ended.append(time.perf_counter())

    (result,) = run_many([make_config(dataset=name, lambda_n=0, epochs=EPOCHS)], "cpu", on_progress=note)
    peak = peak_bytes() - idle
    return {"rows": result.counts["rows"], "epoch_seconds": (ended[-1] - ended[0]) / (EPOCHS - 1), "peak": peak}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
