"""The tasks that worker processes run: training, planning, downloads, tables and projections.

A task is a plain function: its arguments and its value must pickle, and it may import heavy libraries, which the
server must not. It reports progress through `job`, and raises Cancelled at its next check once it is to stop.
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
    from anoonly_core.supervision.result import SupervisionRecord
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
    "record_supervision",
    "score_pools",
    "score_unlabeled_upload",
    "train_each",
    "train_runs",
    "warm_umap",
]


def train_runs(configs: Sequence[RunConfig]) -> StoredOutcome:
    """Train and test runs on the CPU as one stack per group of equal shape, and store the results.

    Returns
    -------
    StoredOutcome
        Of a list of RunResult in the order of the configs. Runs that the store already has are read from it.
    """
    from anoonly_core.results.store import default_store
    from anoonly_core.runs.run import RunProgress, run_many

    def report(progress: RunProgress) -> None:
        report_progress(progress.epoch, progress.epochs)

    store = default_store()
    return StoredOutcome(run_many(configs, "cpu", store, report), store.problem, store.is_problem_busy)


def gpu_name() -> str:
    """Return the name of the GPU that PyTorch can use, "" if there is none."""
    from anoonly_core.runs.gpu_device import gpu_name

    return gpu_name()


def train_each(configs: dict[str, RunConfig], device: str = "cpu") -> list[tuple[str, RunOutcome]]:
    """Train and test runs by key without storing them; return each key with its result or its error."""
    from anoonly_core.runs.run import run_each

    return list(run_each(configs, device, report_progress))


def plan_runs(configs: dict[str, RunConfig], workers: int, device: str = "cpu") -> Plan:
    """Cut runs by key into stacks for this number of workers; see `planner.make_plan`."""
    from anoonly_core.execution.planner import make_plan

    return make_plan(configs, workers, check=check, device=device)


def observe_gradients(config: RunConfig) -> list[Observation]:
    """Train a run and observe the gradients at each norm; see `microscope.run.observe`."""
    from anoonly_core.microscope.run import observe

    return observe(config, report_progress)


def record_replay(configs: Sequence[RunConfig], projector: str) -> Replay:
    """Train runs again and record scores and projections per epoch; see `replay.run.record`."""
    from threadpoolctl import threadpool_limits

    from anoonly_core.replay.run import record

    with threadpool_limits(1, user_api="openmp"):  # of t-SNE: each trainer has one core
        return record(configs, projector, report_progress)


def record_supervision(config: RunConfig) -> SupervisionRecord:
    """Train six runs whose norms differ, and record them per epoch; see `supervision.run.record_columns`."""
    from anoonly_core.supervision.run import record_columns

    return record_columns(config, report_progress)


def fit_detector(config: RunConfig) -> DetectorResult:
    """Train the network of a run as a detector and score all rows; see `detector.scoring.detector_result`."""
    from anoonly_core.detector.scoring import detector_result

    return detector_result(config, report_progress)


def meta_train(configs: Sequence[ZeroShotConfig]) -> StoredOutcome:
    """Meta-train and test zero-shot networks, and store the results; see `zero_shot.run.run_zero_shot`."""
    from anoonly_core.results.store import default_store
    from anoonly_core.zero_shot.run import run_zero_shot

    store = default_store()
    return StoredOutcome(run_zero_shot(configs, store, report_progress), store.problem, store.is_problem_busy)


def score_pools(configs: Sequence[PurifyConfig]) -> StoredOutcome:
    """Score how suspicious each pool's rows are, and store the scores; see `purify.run.compute_pool_scores`."""
    from anoonly_core.purify.run import compute_pool_scores
    from anoonly_core.results.store import default_store

    store = default_store()
    return StoredOutcome(compute_pool_scores(configs, store, report_progress), store.problem, store.is_problem_busy)


def purify_pools(configs: Sequence[PurifyConfig]) -> StoredOutcome:
    """Clean pools, train on the cleaned rows, and store the results; see `purify.run.purify_many`."""
    from anoonly_core.purify.run import purify_many
    from anoonly_core.results.store import default_store

    store = default_store()
    return StoredOutcome(purify_many(configs, store, report_progress), store.problem, store.is_problem_busy)


def download_datasets(names: Sequence[str]) -> None:
    """Download data sets of the catalogue into the cache; see `data.adbench.download_many.fetch_all`."""
    from anoonly_core.data.adbench.download_many import fetch_all
    from anoonly_core.data.catalogue import DATASETS

    files = [file for name in names if (file := DATASETS[name].file) is not None]

    def report(done: int, total: int | None) -> None:
        check()
        send_progress(done, total or 0)  # every piece: the next one may be long in coming

    fetch_all(files, report)


def profile_upload(name: str) -> TableProfile:
    """Profile the columns of an uploaded table; see `data.tables.profile` and `data.tables.profile_limits`."""
    from anoonly_core.data.tables import uploads
    from anoonly_core.data.tables.limits import within_memory
    from anoonly_core.data.tables.profile import profile_table
    from anoonly_core.data.tables.profile_limits import bound_profile

    table = uploads.get(name)
    with within_memory(table.file_name):
        return bound_profile(profile_table(uploads.read_source(table)))


def apply_schema(name: str, schema: TableSchema) -> Upload:
    """Read an uploaded table by a schema, and store it as a data set; see `data.tables.uploads.apply_schema`."""
    from anoonly_core.data.tables import uploads
    from anoonly_core.data.tables.limits import within_memory

    table = uploads.get(name)
    with within_memory(table.file_name):
        return uploads.apply_schema(table, schema)[0]


def score_unlabeled_upload(config: RunConfig, scorer: str) -> Ranking:
    """Rank the rows of an unlabeled table by an unsupervised scorer; see `labeling.run.rank_without_labels`."""
    from anoonly_core.labeling.run import rank_without_labels

    return rank_without_labels(config, scorer, report_progress)


def rank_upload(config: RunConfig, anomalies: Sequence[int]) -> Ranking:
    """Train on the rows that a user labeled as anomalies, and rank all; see `labeling.run.rank_with_labels`."""
    from anoonly_core.labeling.run import rank_with_labels

    return rank_with_labels(config, anomalies, report_progress)


def project_features(features: np.ndarray, projector: str) -> np.ndarray:
    """Project features, float [rows, columns], to points, float32 [rows, 2]; see `projection.project`."""
    from anoonly_core.projection import project

    return project(features, projector)


def warm_umap() -> None:
    """Make UMAP compile its code, so that the first projection need not wait for that."""
    import numpy as np

    from anoonly_core.projection import project

    project(np.random.default_rng(0).normal(size=(60, 8)), "umap")
