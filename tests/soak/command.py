"""The command line in a separate process, which is killed if a command does not return.

Most invocations do not train: they read, check, split and set up, and stop before training.
"""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from anoonly_core.execution import tasks
from anoonly_core.execution.pool import Task
from anoonly_core.machine import cores
from tests.soak.tally import Outcome

__all__ = ["Commands", "Output", "judge", "write_files"]

DEADLINE_S = 60.0
LONGEST = 2000  # characters of a sentence; some list all names
MAX_BYTES = 8 * 2**30
MAX_A_CORE = 8
STUBBED = "Nothing is trained in this case."
DEPTH = "a/b/c/d/e/f"  # a path with a few `..` stays in the folder of the test
# Lines that a command prints before it may still fail.
ON_THE_WAY = re.compile(
    r"Left out: |\d+ runs|.* runs failed: |.*: no results on these data sets|.*: \d+ runs$|Batch statistics of fewer"
)


@dataclass(frozen=True)
class Output:
    """The output of a command. raised: traceback of an exception that escaped. logged: errors in the log."""

    code: int
    out: str
    err: str
    raised: str
    logged: tuple[str, ...]
    seconds: float


class Commands:
    """A process that runs commands in a folder; it is replaced if it hangs."""

    def __init__(self, folder: Path, deadline_s: float = DEADLINE_S) -> None:
        self.folder, self.deadline_s = folder, deadline_s
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def run(self, arguments: Sequence[str], trains: bool = False) -> Outcome:
        """Run one command and judge its output."""
        shown = " ".join(map(ascii, arguments))
        begun = time.monotonic()
        self._here.send((tuple(arguments), trains))
        if not self._here.poll(self.deadline_s):
            self.close()
            self._start()
            return Outcome(shown, "hang", seconds=time.monotonic() - begun)
        try:
            output: Output = self._here.recv()
        except EOFError:
            self.close()
            self._start()
            return Outcome(shown, "fault", "the process ended", time.monotonic() - begun)
        kind, words = judge(arguments, output)
        return Outcome(shown, kind, words, output.seconds)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        self._here, there = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(there, str(self.folder)), daemon=False)
        self._process.start()
        there.close()
        assert self._here.poll(120) and self._here.recv() == "ready"


def judge(arguments: Sequence[str], output: Output) -> tuple[str, str]:
    """Return the kind of outcome, of GOOD or BAD in tally, and a text about it."""
    if output.raised or "Traceback" in output.err or output.logged:
        return "traceback", output.raised or "".join(output.logged) or output.err[-3000:]
    lines = output.err.split("\n")
    if output.code == 0:
        answered = output.out or output.err or any(argument.startswith("--out") for argument in arguments)
        return ("as asked" if answered else "silence"), output.err[-300:]
    if output.code != 2:
        return "fault", f"exit code {output.code}: {output.err[-300:]}"
    *before, last, end = lines if len(lines) > 1 else ["", ""]
    unquoted = re.sub(r"'.*'|\".*\"", "", last).replace("..., ", "")
    faults = {
        "the last line does not end": end != "",
        "not one sentence": any(not ON_THE_WAY.match(line) for line in before),
        "no sentence": not last.isprintable() or last[-1:] not in (".", "?", "`"),
        "two sentences": ". " in unquoted,
        "too long": len(last) > LONGEST,
        "printed in vain": output.out != "" and arguments[0] != "fetch",  # which names each file as it comes
    }
    if wrong := [fault for fault, so in faults.items() if so]:
        return "fault", f"{', '.join(wrong)}: {output.err[:600]!r} {output.out[:100]!r}"
    return ("as asked" if last == STUBBED else "sentence"), last


# -- inside the process


def _serve(connection: Any, folder: str) -> None:
    """Run the commands that arrive, and send back their output, until the connection closes."""
    os.environ |= {"ANOONLY_CACHE": f"{folder}/cache", "ANOONLY_MIRROR": "http://127.0.0.1:9", "OMP_NUM_THREADS": "1"}
    place = Path(folder, DEPTH)
    place.mkdir(parents=True, exist_ok=True)
    os.chdir(place)
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_BYTES, MAX_BYTES))
    write_files(place)
    connection.send("ready")
    while True:
        try:
            arguments, trains = connection.recv()
        except EOFError:
            return
        connection.send(_ran(arguments, trains))


def _ran(arguments: Sequence[str], trains: bool) -> Output:
    from anoonly_core.cli.main import main

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors) for errors in ("strict", "backslashreplace"))
    raised, heard = "", _Heard()
    begun = time.monotonic()
    logging.getLogger().addHandler(heard)
    with redirect_stdout(out), redirect_stderr(err), ExitStack() as stack:
        if not trains:
            stack.enter_context(_without_training())
        try:
            code: Any = main(arguments)
        except SystemExit as stop:
            code = stop.code
        except BaseException as error:
            import traceback

            code, raised = 1, "".join(traceback.format_exception(error)[-6:])
    logging.getLogger().removeHandler(heard)
    seconds = time.monotonic() - begun
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8"))  # type: ignore[attr-defined]
    return Output(code, *texts, raised, tuple(heard.errors), seconds)


class _Heard(logging.Handler):
    """Errors that a command logs, which would be a traceback on stderr."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.errors.append(self.format(record))


@contextmanager
def _without_training() -> Iterator[None]:
    """Replace training by an error, or by nothing."""
    from anoonly_core.errors import AnoOnlyError
    from anoonly_core.models import OTHERS

    def stop(*arguments: Any, **named: Any) -> Any:
        raise AnoOnlyError(STUBBED)

    def nothing(*arguments: Any, **named: Any) -> None:
        """Train nothing."""

    stubs: dict[str, Any] = {
        "anoonly_core.runs.train_stack.OTHERS": dict.fromkeys(OTHERS, stop),
        "anoonly_core.runs.train_stack.pretrain": stop,
        "anoonly_core.runs.train_and_score.pretrain": stop,
        "anoonly_core.zero_shot.run.train_zero_shot": stop,
        "anoonly_core.cli.sweep.train": nothing,
        "anoonly_core.cli.which.train": nothing,
        "anoonly_core.cli.reproduce.train": nothing,
        "anoonly_core.cli.engines.WorkerPool": _Idle,
        "anoonly_core.execution.dask_cluster.CONNECT_S": 1,
    }
    with ExitStack() as stack:
        for target, stub in stubs.items():
            stack.enter_context(patch(target, stub))
        yield


class _Idle:
    """A worker pool without processes."""

    def __init__(self, count: int, initializer: Any) -> None:
        if count > MAX_A_CORE * cores():  # more than a machine has memory for
            raise MemoryError(f"{count} processes")
        self.count = count

    def schedule(self, function: Callable[..., Any], *arguments: Any) -> Task:
        """Return a finished task whose result is "no GPU"; other functions train."""
        from anoonly_core.errors import AnoOnlyError

        if function is not tasks.gpu_names:
            raise AnoOnlyError(STUBBED)
        answered: Future[dict[str, str]] = Future()
        answered.set_result({})
        return Task(0, answered)

    def close(self) -> None:
        """Do nothing."""


def write_files(place: Path) -> None:
    """Write valid and invalid files that options may name."""
    import numpy as np
    import pandas as pd

    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(120, 3)), (np.arange(120) % 8 == 0).astype(int)
    frame = pd.DataFrame(X + 2 * y[:, None], columns=["a", "b", "c"])
    frame.assign(y=y).to_csv(place / "table.csv", index=False)
    frame.assign(kind=np.array(list("abcd"))[np.arange(120) % 4]).to_csv(place / "words.csv", index=False)
    np.savez(place / "rows.npz", X=X, y=y)
    (place / "broken.csv").write_bytes(b'\x00\xff\xfe,,\n1,2,3,4,5\n"')
    (place / "folder").mkdir(exist_ok=True)
    for name in ("empty.csv", "empty.safetensors"):
        (place / name).write_bytes(b"")
    model = place / "model.safetensors"
    if not model.exists():
        from anoonly_core.detector.estimator import AnoOnlyDetector

        AnoOnlyDetector("DevNet", epochs=1, random_state=0).fit(X.astype(np.float32), y).save(str(model))
    sys.stdout.flush()
