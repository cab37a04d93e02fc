"""What a worker process runs: training and planning with progress and cancel, downloads, projections.

The page starts these processes and must not load torch or UMAP itself, so they are loaded here,
once a process, when it starts. Each function's first argument is its task's number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from anoonly_core.config import RunConfig
from anoonly_core.execution.job import StoredOutcome, check, report_progress, send_progress

if TYPE_CHECKING:
    import numpy as np

    from anoonly_core.data.tables.profile import TableProfile
    from anoonly_core.data.tables.schema import TableSchema
    from anoonly_core.data.tables.uploads import Upload
    from anoonly_core.detector.result import DetectorResult
    from anoonly_core.execution.plan import Plan
    from anoonly_core.labeling.run import Ranking
    from anoonly_core.microscope.result import Observation
    from anoonly_core.purify.config import PurifyConfig
    from anoonly_core.replay.result import Replay
    from anoonly_core.runs.stacking import RunOutcome
    from anoonly_core.zero_shot.config import ZeroShotConfig

__all__ = [
    "apply_schema",
    "download_datasets",
    "fit_detector",
    "gpu_name",
    "meta_train",
    "observe_gradients",
    "plan_runs",
    "profile_upload",
    "project_features",
    "purify_pools",
    "rank_upload",
    "record_replay",
    "score_pools",
    "score_unlabeled_upload",
    "train_each",
    "train_runs",
    "warm_umap",
]


def train_runs(job: int, configs: Sequence[RunConfig]) -> StoredOutcome:
    """Train and test the configs on the CPU, through the default store, as RunResults; raises Cancelled."""
    from anoonly_core.results.store import default_store
    from anoonly_core.runs.run import RunProgress, run_many

    check(job)

    def report(progress: RunProgress) -> None:
        report_progress(job, progress.epoch, progress.epochs)

    store = default_store()
    return StoredOutcome(run_many(configs, "cpu", store, report), store.problem)


def gpu_name(job: int) -> str:
    """The GPU of this machine that PyTorch can use, "" where there is none."""
    from anoonly_core.runs.gpu_device import gpu_name

    return gpu_name()


def train_each(job: int, configs: dict[str, RunConfig], device: str = "cpu") -> list[tuple[str, RunOutcome]]:
    """Train and test runs by key, each with its own outcome, and keep nothing; raises Cancelled."""
    from anoonly_core.runs.run import run_each

    check(job)
    return list(run_each(configs, device, lambda epoch, epochs: report_progress(job, epoch, epochs)))


def plan_runs(job: int, configs: dict[str, RunConfig], workers: int, device: str = "cpu") -> Plan:
    """Cut runs by key into stacks for so many workers, see planner.make_plan; raises Cancelled."""
    from anoonly_core.execution.planner import make_plan

    return make_plan(configs, workers, check=lambda: check(job), device=device)


def observe_gradients(job: int, config: RunConfig) -> list[Observation]:
    """Look at a run through the microscope, see microscope.observe; raises Cancelled when told to stop."""
    from anoonly_core.microscope.run import observe

    check(job)
    return observe(config, lambda done, total: report_progress(job, done, total))


def record_replay(job: int, configs: Sequence[RunConfig], projector: str) -> Replay:
    """Record runs for a replay, see record.record; raises Cancelled when told to stop."""
    from anoonly_core.replay.run import record

    check(job)
    return record(configs, projector, lambda done, total: report_progress(job, done, total))


def fit_detector(job: int, config: RunConfig) -> DetectorResult:
    """Fit a run's network as a detector and score all rows, see scoring.detector_result; raises Cancelled."""
    from anoonly_core.detector.scoring import detector_result

    check(job)
    return detector_result(config, lambda done, total: report_progress(job, done, total))


def meta_train(job: int, configs: Sequence[ZeroShotConfig]) -> StoredOutcome:
    """Meta-train and test through the default store, see zero_shot.run, as ZeroShotResults; raises Cancelled."""
    from anoonly_core.results.store import default_store
    from anoonly_core.zero_shot.run import run_zero_shot

    check(job)
    store = default_store()
    return StoredOutcome(
        run_zero_shot(configs, store, lambda done, total: report_progress(job, done, total)), store.problem
    )


def score_pools(job: int, configs: Sequence[PurifyConfig]) -> StoredOutcome:
    """Score the rows of each pool through the default store, see purify.compute_pool_scores; raises Cancelled."""
    from anoonly_core.purify.run import compute_pool_scores
    from anoonly_core.results.store import default_store

    check(job)
    store = default_store()
    return StoredOutcome(
        compute_pool_scores(configs, store, lambda done, total: report_progress(job, done, total)), store.problem
    )


def purify_pools(job: int, configs: Sequence[PurifyConfig]) -> StoredOutcome:
    """Clean pools and train the final heads through the default store, see purify.purify_many; raises Cancelled."""
    from anoonly_core.purify.run import purify_many
    from anoonly_core.results.store import default_store

    check(job)
    store = default_store()
    return StoredOutcome(
        purify_many(configs, store, lambda done, total: report_progress(job, done, total)), store.problem
    )


def download_datasets(job: int, names: Sequence[str]) -> None:
    """Bring data sets into the cache, see fetching.fetch_all; raises Cancelled when told to stop."""
    from anoonly_core.data.adbench.download_many import fetch_all
    from anoonly_core.data.catalogue import DATASETS

    check(job)
    files = [file for name in names if (file := DATASETS[name].file) is not None]

    def report(done: int, total: int | None) -> None:
        check(job)
        send_progress(done, total or 0)  # of each piece, for none may follow it

    fetch_all(files, report)


def profile_upload(job: int, name: str) -> TableProfile:
    """What a table that was brought holds, see data.look; raises Cancelled."""
    from anoonly_core.data.tables import uploads
    from anoonly_core.data.tables.profile import profile_table

    check(job)
    return profile_table(uploads.read_source(uploads.get(name)))


def apply_schema(job: int, name: str, reading: TableSchema) -> Upload:
    """Read a table that was brought as it is meant, see data.own.settle; raises Cancelled."""
    from anoonly_core.data.tables import uploads

    check(job)
    return uploads.apply_schema(uploads.get(name), reading)[0]


def score_unlabeled_upload(job: int, config: RunConfig, scorer: str) -> Ranking:
    """Score a table that nobody has labeled, see labeling.rank_without_labels; raises Cancelled."""
    from anoonly_core.labeling.run import rank_without_labels

    check(job)
    return rank_without_labels(config, scorer, lambda done, total: report_progress(job, done, total))


def rank_upload(job: int, config: RunConfig, anomalies: Sequence[int]) -> Ranking:
    """Train on a table's marks, see labeling.rank_with_labels; raises Cancelled."""
    from anoonly_core.labeling.run import rank_with_labels

    check(job)
    return rank_with_labels(config, anomalies, lambda done, total: report_progress(job, done, total))


def project_features(job: int, features: np.ndarray, projector: str) -> np.ndarray:
    """Points of features, see project.project; raises Cancelled where nobody waits for them any more."""
    from anoonly_core.projection import project

    check(job)
    return project(features, projector)


def warm_umap() -> None:
    """Let UMAP compile itself before somebody waits for it."""
    import numpy as np

    from anoonly_core.projection import project

    project(np.random.default_rng(0).normal(size=(60, 8)), "umap")
