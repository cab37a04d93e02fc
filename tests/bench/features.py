"""Speed and memory of features: images streamed from files, on one and two cores, interrupted and resumed.

    python -m tests.bench.features [--images 10000] [--encoders pixels,resnet18] [--repeats 3] [--megabytes 1500]

Networks have random weights, which are as fast as others. Texts are made of words, about 30 each. Each measurement
is a process of its own, bound to its cores, so that its peak memory is its own. Exits with 1 if a run takes more than
the memory, or if a run that was killed half-way and resumed gives another file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
FIELDS = ("encoder", "rows", "cores", "rows/s", "ms of processors a row", "MB of the process", "MB of a decoder")
ALL = "pixels,resnet18,resnet50,mobilenet_v3_small,efficientnet_b0,vit_b_16,words,minilm-int8"
STREAMED = "pixels"  # the encoder of the killed run

# Encodes in a process of its own, and prints rows a second, peak memory and rows done before. The peak of a decoder is
# read while it runs: what the system says of ended processes includes the moment before they began.
RUN = """
import json, multiprocessing, os, resource, signal, sys, time
from pathlib import Path

def peak(process):
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)

def processor():
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)

def main(source, encoder, out, cores, kill_at):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    from anoonly_core.features.encoders.registry import ENCODERS, load_encoder
    from anoonly_core.features.opening import open_source
    from anoonly_core.features.run import make_features

    loaded = load_encoder(encoder, "random" if ENCODERS[encoder].library == "torchvision" else None)
    rows = open_source(Path(source))
    seen, peaks = [], [0]

    def report(done, total):
        peaks.extend(peak(process.pid) for process in multiprocessing.active_children())
        seen.append((time.perf_counter(), done))
        if kill_at and done >= kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    before = processor()
    summary = make_features(rows, loaded, Path(out), report, cores)
    usage = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10, max(peaks) >> 10]
    (begin, first), (end, last) = seen[0], seen[-1]
    rate = (last - first) / (end - begin)  # with the start of the processes that decode
    spent = (processor() - before) / (last - first)
    print(json.dumps([rate, 1000 * spent, *usage, summary.resumed_at]))

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
"""


def write_images(folder: Path, count: int) -> None:
    """Write JPEG files of 320 × 240 pixels: smooth colors with noise, as photos of parts have, in two folders."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for label in ("good", "bad"):
        (folder / label).mkdir(parents=True)
    for number in range(count):
        small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC)
        noisy = np.asarray(picture, dtype=np.int16) + rng.integers(-8, 9, (240, 320, 3), dtype=np.int16)
        label = "bad" if number % 10 == 0 else "good"
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / label / f"{number:06}.jpg", quality=85)


def write_texts(path: Path, count: int) -> None:
    """Write a table of texts of 20 to 40 words."""
    rng = np.random.default_rng(0)
    words = ["pump", "valve", "leaks", "under", "pressure", "after", "the", "inspection", "replaced", "noise", "oil"]
    lines = [" ".join(rng.choice(words, rng.integers(20, 41))) + f" {number}" for number in range(count)]
    path.write_text("text,label\n" + "".join(f"{line},{number % 2}\n" for number, line in enumerate(lines)))


def run(script: Path, source: Path, encoder: str, out: Path, cores: int, kill_at: int = 0) -> list[float] | None:
    """Encode a source in a process; return what it prints, or None if it was to be killed.

    These are rows a second, milliseconds of processors a row, peak MB of process and decoder, and rows resumed.
    """
    arguments = [sys.executable, str(script), str(source), encoder, str(out), str(cores), str(kill_at)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(arguments, env=environment, stdout=subprocess.PIPE, text=True)
    if kill_at:
        assert done.returncode == -signal.SIGKILL, done.returncode
        return None
    if done.returncode:
        raise SystemExit(f"{encoder} ended with {done.returncode}")
    answer: list[float] = json.loads(done.stdout)
    return answer


def measure(script: Path, source: Path, encoder: str, rows: int, repeats: int, folder: Path) -> float:
    """Print a line for one and for two cores; return the largest MB of a process with its decoders."""
    largest = 0.0
    for cores in (1, 2):
        answers = [run(script, source, encoder, folder / "out.npz", cores) for _ in range(repeats)]
        rates, spent, process, decoder = (
            sorted(values) for values in zip(*(answer[:4] for answer in answers if answer), strict=True)
        )
        spread = f"{rates[len(rates) // 2]:,.1f} ({rates[0]:,.1f} to {rates[-1]:,.1f})"
        of_processors = f"{spent[len(spent) // 2]:.1f} ({spent[0]:.1f} to {spent[-1]:.1f})"
        memory = f"{process[-1]:18,.0f} {decoder[-1]:16,.0f}"
        print(f"{encoder:20} {rows:7,} {cores:6} {spread:>28} {of_processors:>24} {memory}", flush=True)
        largest = max(largest, process[-1] + cores * decoder[-1])
    return largest


def resumes(script: Path, source: Path, rows: int, folder: Path) -> bool:
    """Kill a run half-way, resume it, and return True if the file is that of a run without interruption."""
    whole, resumed = folder / "whole.npz", folder / "resumed.npz"
    run(script, source, STREAMED, whole, 2)
    run(script, source, STREAMED, resumed, 2, rows // 2)
    answer = run(script, source, STREAMED, resumed, 1)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (whole, resumed)]
    assert answer is not None
    verdict = "equal" if digests[0] == digests[1] else "other"
    print(f"killed and resumed after {answer[4]:,.0f} of {rows:,} images: the file is {verdict}")
    return digests[0] == digests[1] and answer[4] >= rows // 2


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.features", description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--few", type=int, default=192, help="images for encoders other than pixels")
    parser.add_argument(
        "--encoders", default="pixels,resnet18,resnet50,mobilenet_v3_small,efficientnet_b0,vit_b_16,words,minilm-int8"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=1500)
    asked = parser.parse_args()
    widths = (-20, 7, 6, 28, 24, 18, 16)
    cells = [
        f"{field:<{-width}}" if width < 0 else f"{field:>{width}}" for field, width in zip(FIELDS, widths, strict=True)
    ]
    print(*cells)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = folder / "encode.py"
        script.write_text(RUN)
        write_images(folder / "many", asked.images)
        write_images(folder / "few", asked.few)
        write_texts(folder / "texts.csv", 10 * asked.few)
        largest = 0.0
        for encoder in asked.encoders.split(","):
            is_text = encoder in ("words", "minilm-int8")
            source, rows = (folder / "few", asked.few)
            if encoder == STREAMED:
                source, rows = folder / "many", asked.images
            elif is_text:
                source, rows = folder / "texts.csv", 10 * asked.few
            largest = max(largest, measure(script, source, encoder, rows, asked.repeats, folder))
        is_equal = resumes(script, folder / "many", asked.images, folder)
    print(f"largest memory of a process with its decoders: {largest:,.0f} MB of {asked.megabytes:,}")
    if largest > asked.megabytes or not is_equal:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
