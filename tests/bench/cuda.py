"""GPU benchmarks as tables and, with --out, as JSON: python -m tests.bench.cuda.

--sizes: the heads at R = 1, 40 and 400 against the hardware limit. --table: 600 runs from files to metrics, twice;
bits must be equal and metrics those of scikit-learn. --paper: the same once, on 74 made tables of about the sizes of
the files of Table 1. --lockstep: each epoch from equal weights on GPU and CPU, in float64. --agreement: the runs of the
table on the CPU, and the difference of each file's mean AUCROC. --norms: every norm and gradient dial on the GPU twice
and on the CPU. All of them are run if none is named. --against FILE does the CPU part for a FILE from --out, also
without a GPU. It stores finished runs next to FILE and continues from them.
--heads and --seeds (first and last) choose the runs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from anoonly_core.baselines import BASELINES, GRADIENT_SHARES, NORM_LABELS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.catalogue import DATASETS, load_cached
from anoonly_core.data.split import make_split
from anoonly_core.execution import tasks
from anoonly_core.execution.executor import stored_runs
from anoonly_core.execution.job import start_trainer
from anoonly_core.execution.pool import WorkerPool
from anoonly_core.machine import cores
from anoonly_core.metrics.ranking import METRICS
from anoonly_core.results.keys import run_key
from anoonly_core.results.result import RunResult
from anoonly_core.results.store import RunSummary, Store
from anoonly_core.runs.run import run_each, warm_up
from anoonly_core.training.stack import Stack
from tests.bench import gpu
from tests.bench.lockstep import in_double, lockstep

PARTS = ("sizes", "table", "paper", "lockstep", "norms", "agreement")
WITHIN = 0.5  # points of AUCROC
IN_STEP = ("MVTec-AD_capsule", "20news_3")  # where float32 runs part most
PAPERS_FILES = 74
NORM_DATASET = "digits_3"
LARGE_STEPS, SMALL_STEPS = 1400, 250  # of DeepSAD on a file of CIFAR10's size, and on one of MVTec-AD's


def main() -> None:
    """Print the chosen tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cuda", description=__doc__)
    for name in PARTS:
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--out", type=Path, metavar="FILE")
    parser.add_argument("--heads", nargs="+", choices=gpu.HEADS, default=gpu.HEADS)
    parser.add_argument("--seeds", nargs=2, type=int, metavar=("FIRST", "LAST"), default=(0, 4))
    parser.add_argument("--against", type=Path, metavar="FILE", help="only the cores' half, of a FILE from --out")
    asked = parser.parse_args()
    configs = gpu.table_configs(asked.heads, range(asked.seeds[0], asked.seeds[1] + 1))
    if not configs:
        parser.error("no runs: ANOONLY_DATA must have files of ResNet-18 or BERT, and LAST must not lie before FIRST")
    if asked.against is not None:
        against(asked.against, configs)
        return
    wanted = [name for name in PARTS if getattr(asked, name)] or PARTS
    warnings.simplefilter("ignore")
    warm_up()
    most = gpu.ceilings()
    found: dict[str, Any] = {
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cores": cores(),
        "operations a second": most.operations,
        "bytes a second": most.bytes,
    }
    print(f"{found['gpu']}, torch {found['torch']}, {found['cores']} cores of the host, float32 without TF32")
    print(f"ceilings measured: {most.operations / 1e12:.1f} Tflop/s, {most.bytes / 1e12:.2f} TB/s")

    def save(part: str, what: object) -> None:
        found[part] = what
        if asked.out is not None:
            asked.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    if "sizes" in wanted:
        gpu.of_sizes("DeepSAD", (1,), most, repeats=1)  # once, so that nothing is loaded within what is measured
        print(f"\n{gpu.DATASET}, published epochs, pretraining counted in, networks and rows made, graphs captured")
        print(gpu.TITLES)
        sizes = gpu.of_sizes("DeepSAD", (1, 40, 400), most)
        for head in ("DevNet", "PReNet", "FEAWAD"):
            sizes += gpu.of_sizes(head, (40, 400), most)
        save("sizes", sizes)

    if "lockstep" in wanted:
        save("lockstep", in_lockstep())

    if "norms" in wanted:
        save("norms", each_norm(asked.heads))

    if "paper" in wanted:
        save("paper", paper_table(asked.heads))

    if "table" in wanted or "agreement" in wanted:
        table = whole_table(configs)
        save("table", table)
        if "agreement" in wanted:
            with tempfile.TemporaryDirectory() as folder:
                agreement(configs, table["aucroc"], Store(Path(folder) / "cores.sqlite"), partial(save, "agreement"))


def against(path: Path, configs: Mapping[str, RunConfig]) -> None:
    """Train the runs of a GPU's result file on the CPU, and write their agreement into that file."""
    found = json.loads(path.read_text(encoding="utf-8"))

    def save(what: dict[str, Any]) -> None:
        path.write_text(json.dumps(found | {"agreement": what}, indent=1) + "\n", encoding="utf-8")

    agreement(configs, found["table"]["aucroc"], Store(path.with_suffix(".sqlite")), save)


def whole_table(configs: dict[str, RunConfig]) -> dict[str, Any]:
    """Train all runs twice; print time, equality, and the largest difference of a metric from scikit-learn."""
    (first, results), (second, again) = gpu.whole_table(configs), gpu.whole_table(configs)
    equal = all(np.array_equal(own.scores, again[key].scores) for key, own in results.items())
    equal = equal and all(own.metrics == again[key].metrics for key, own in results.items())
    off = max(_off(own) for own in results.values())
    files = gpu.table_files()
    on_cpu = sum(own.device == "cpu" for own in results.values())
    heads, seeds = ({getattr(config, name) for config in configs.values()} for name in ("baseline", "seed"))
    print(f"\n{len(results)} runs from files to metrics: {', '.join(sorted(heads))} × λ_n 1 and 0", end="")
    print(f" × {len(seeds)} seeds × {len(files)} files:")
    print(f"{first:.1f} s and {second:.1f} s; {on_cpu} of them on the CPU; equal to the bit: {equal}")
    print(f"metrics at most {off:.1e} from scikit-learn's")
    estimate = None
    if heads == set(gpu.HEADS) and len(seeds) == 5:
        estimate = _whole_paper(statistics.mean((first, second)), files)
        print(f"all {PAPERS_FILES} files of Table 1: about {estimate:.0f} s")
    return {
        "runs": len(results),
        "files": files,
        "seconds": [first, second],
        "equal": equal,
        "off": off,
        "estimate": estimate,
        "aucroc": {run_key(own.config): own.metrics.aucroc for own in results.values()},
    }


def paper_table(heads: Sequence[str]) -> dict[str, Any]:
    """Print the time of five seeds of the heads at λ_n 1 and 0 on made tables of the sizes of Table 1's files."""
    made = gpu.made_files()
    configs = gpu.table_configs(heads, files=made)
    seconds, results = gpu.whole_table(configs, made)
    on_cpu = sum(result.device == "cpu" for result in results.values())
    print(f"\n{len(results)} runs on {len(made)} made tables of about the sizes of Table 1's files:")
    print(f"{seconds:.1f} s; {on_cpu} of them on the CPU")
    return {"runs": len(results), "seconds": seconds}


def in_lockstep() -> list[dict[str, Any]]:
    """Print the largest difference of an epoch between GPU and CPU, for each head with both λ_n."""
    print("\nEach epoch from the same weights in float64, GPU against cores: largest difference of a test score,")
    print("in standard deviations of the run's scores")
    print(f"{'head':8} {'λ_n':>4} {'file':18} {'pretraining':>12} {'training':>9}")
    torch.set_num_threads(cores())
    rows: list[dict[str, Any]] = []
    for config in gpu.table_configs().values():
        if config.seed != 0 or config.dataset not in IN_STEP:
            continue
        dataset = load_cached(config.dataset)
        split = make_split(dataset, config)
        epochs = list(lockstep(*(in_double(Stack(dataset, [config], [split], name)) for name in ("cpu", "cuda"))))
        before, after = (
            max((own.difference for own in epochs if own.pretraining == which), default=0.0) for which in (True, False)
        )
        own = {"head": config.baseline, "file": config.dataset, "lambda_n": config.lambda_n}
        rows.append(own | {"pretraining": before, "training": after, "epochs": len(epochs)})
        print(f"{config.baseline:8} {config.lambda_n:4g} {config.dataset:18} {before:12.1e} {after:9.1e}", flush=True)
    return rows


def each_norm(heads: Sequence[str]) -> list[dict[str, Any]]:
    """Print for each norm, and for each cut of batch norm's gradient, what the GPU gives twice and beside the CPU."""
    settings = [{"norm": norm} for norm in NORM_LABELS] + [{"norm": "batch", name: 0.0} for name in GRADIENT_SHARES]
    print(f"\n{NORM_DATASET}, λ_n = 0, five seeds: mean AUCROC in points, GPU less CPU; equal bits on the GPU twice")
    print(f"{'head':8} {'norm':16} {'cut':14} {'GPU':>6} {'CPU':>6} {'GPU − CPU':>9}  twice")
    rows: list[dict[str, Any]] = []
    for head, changes in itertools.product(heads, settings):
        whole = make_config(baseline=head, dataset=NORM_DATASET, lambda_n=0, **changes)
        configs = {str(seed): whole.with_(seed=seed) for seed in range(5)}
        first, again, on_cpu = (dict(run_each(configs, device)) for device in ("cuda", "cuda", "cpu"))
        outcomes = [*first.values(), *again.values(), *on_cpu.values()]
        row: dict[str, Any] = {"head": head, **changes}
        if all(isinstance(outcome, RunResult) for outcome in outcomes):
            row["equal"] = all(np.array_equal(first[key].scores, again[key].scores) for key in configs)
            row["on_gpu"] = all(first[key].device != "cpu" for key in configs)
            row |= {
                name: 100 * float(np.mean([runs[key].metrics.aucroc for key in configs]))
                for name, runs in (("gpu", first), ("cpu", on_cpu))
            }
            cut = next((name for name in changes if name != "norm"), "")
            figures = f"{row['gpu']:6.2f} {row['cpu']:6.2f} {row['gpu'] - row['cpu']:9.2f}"
            print(f"{head:8} {changes['norm']:16} {cut:14} {figures}  {row['equal']}", flush=True)
        else:  # diverged
            row["errors"] = [str(outcome) for outcome in outcomes if not isinstance(outcome, RunResult)]
            print(f"{head:8} {changes['norm']:16} {row['errors'][0]}", flush=True)
        rows.append(row)
    return rows


def _whole_paper(seconds: float, files: list[str]) -> float:
    """Estimate the seconds for all files of Table 1, with DeepSAD's additional steps on large files."""
    small = sum(name.startswith("MVTec") for name in files)
    small_of_paper = sum(name.startswith("MVTec") for name, own in DATASETS.items() if own.family in gpu.FAMILIES)
    more_large = (PAPERS_FILES - small_of_paper) - (len(files) - small) * PAPERS_FILES / len(files)
    each_step = seconds / len(files) / 5000  # of all heads, about so many on a file
    return seconds * PAPERS_FILES / len(files) + more_large * (LARGE_STEPS - SMALL_STEPS) * each_step


def _off(result: RunResult) -> float:
    y, score = result.y_test.astype(int), result.scores
    expected = (
        roc_auc_score(y, score),
        average_precision_score(y, score),
        average_precision_score(1 - y, -score),
        average_precision_score(1 - y, score),
    )
    found = result.metrics.as_dict()
    return max(abs(found[name] - own) for name, own in zip(METRICS, expected, strict=True))


def agreement(
    configs: Mapping[str, RunConfig],
    on_gpu: Mapping[str, float],
    store: Store,
    save: Callable[[dict[str, Any]], None],
) -> None:
    """Train the same runs on the CPU, and print the difference of each file's mean AUCROC in points.

    on_gpu: AUCROC of the GPU by CPU key. store: finished CPU runs, which are not trained again.
    save: called with the results after each head.
    """
    print(f"\nThe same runs on {cores()} cores. Mean AUCROC over the seeds, GPU less CPU, points:")
    print(f"{'head':8} {'λ_n':>4} {'seeds':>5} {'largest':>8} {'mean':>6} {'± s.e.':>6} {f'beyond {WITHIN}':>11}  at")
    by_key = {run_key(config): config for config in configs.values()}
    workers = WorkerPool(cores(), start_trainer)
    rows: list[dict[str, Any]] = []
    seconds: dict[str, float] = {}
    for head in sorted(gpu.HEADS, key=lambda head: BASELINES[head].pretraining_epochs):
        own = {key: config for key, config in by_key.items() if key in on_gpu and config.baseline == head}
        if not own:
            continue
        kept = stored_runs(store, own, "cpu")
        begun = time.perf_counter()
        runs = kept | _on_cores({key: own[key] for key in own if key not in kept}, workers, store)
        seconds[head] = time.perf_counter() - begun
        rows += _agreement_of(own, on_gpu, runs)
        print(f"{head:8} took {seconds[head]:.0f} s on the cores, {len(kept)} of {len(own)} runs were kept", flush=True)
        save({"seconds on the cores": seconds, "rows": rows})
    workers.close()


def _on_cores(configs: Mapping[str, RunConfig], workers: WorkerPool, store: Store) -> dict[str, RunSummary]:
    """Train and store runs by key; runs of one file and seed train together, since they share the pretraining."""
    together: dict[tuple[int, str], dict[str, RunConfig]] = defaultdict(dict)
    for key, config in configs.items():
        together[config.seed, config.dataset][key] = config
    scheduled = [workers.schedule(tasks.train_each, own) for _, own in sorted(together.items())]
    runs: dict[str, RunSummary] = {}
    for task in scheduled:
        for key, outcome in task.result():
            assert isinstance(outcome, RunResult), outcome
            store.put(outcome)
            runs[key] = RunSummary.of(outcome)
    return runs


def _agreement_of(
    configs: Mapping[str, RunConfig], on_gpu: Mapping[str, float], on_cores: Mapping[str, RunSummary]
) -> list[dict[str, Any]]:
    pairs: dict[tuple[str, str, float | None], list[tuple[float, float]]] = defaultdict(list)
    for key, config in configs.items():
        pairs[config.baseline, config.dataset, config.lambda_n].append(
            (100 * on_gpu[key], 100 * on_cores[key].metrics["aucroc"])
        )
    rows = []
    for (head, name, weight), own in pairs.items():
        there, here = np.mean(own, axis=0)
        differences = [one - other for one, other in own]
        row = {"head": head, "file": name, "lambda_n": weight, "gpu": there, "cpu": here}
        rows.append(row | {"differences": differences})
    for weight in (1.0, 0.0):
        own_rows = [row for row in rows if row["lambda_n"] == weight]
        off = [row["gpu"] - row["cpu"] for row in own_rows]
        each = np.concatenate([row["differences"] for row in own_rows])
        error = np.std(each, ddof=1) / np.sqrt(len(each))  # of the mean, were the runs' differences independent
        largest = int(np.argmax(np.abs(off)))
        many = sum(abs(value) > WITHIN for value in off)
        head, place, seeds = own_rows[largest]["head"], own_rows[largest]["file"], len(each) // len(off)
        figures = f"{seeds:5} {off[largest]:8.2f} {np.mean(off):6.2f} {error:6.2f} {many:5} of {len(off):2}"
        print(f"{head:8} {weight:4g} {figures}  {place}")
    return rows


if __name__ == "__main__":
    main()
