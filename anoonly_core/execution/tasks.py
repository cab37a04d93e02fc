"""The tasks that worker processes run: training, planning, downloads, tables and projections.

A task is a plain function: its arguments and its value must pickle, and it may import heavy libraries, which the
server must not. It reports progress through `job`, and raises Cancelled at its next check once it is to stop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anoonly_core.config import RunConfig
from anoonly_core.execution.job import StoredOutcome, check, report_progress, send_progress
from anoonly_core.progress import report_part

if TYPE_CHECKING:
    import numpy as np

    from anoonly_core.data.tables.files import ReadOptions
    from anoonly_core.data.tables.profile import TableProfile
    from anoonly_core.data.tables.schema import TableSchema
    from anoonly_core.data.tables.upload_metadata import Upload
    from anoonly_core.detector.result import DetectorResult
    from anoonly_core.drift.config import DriftConfig
    from anoonly_core.execution.plan import Plan
    from anoonly_core.explanation.result import Explanation
    from anoonly_core.features.raw_uploads import RawChoice, RawSurvey
    from anoonly_core.features.run import FeatureSummary
    from anoonly_core.features.source import RawSource
    from anoonly_core.labeling.run import Ranking
    from anoonly_core.microscope.result import Observation
    from anoonly_core.purify.config import PurifyConfig
    from anoonly_core.replay.result import Replay
    from anoonly_core.results.store import Store
    from anoonly_core.runs.stacking import RunOutcome
    from anoonly_core.supervision.result import SupervisionRecord
    from anoonly_core.weak_supervision.result import Measures
    from anoonly_core.zero_shot.config import ZeroShotConfig

READING = 0.6  # share of the time to read a text file and profile its columns

__all__ = [
    "absorb_anomalies",
    "apply_schema",
    "download_datasets",
    "encode_upload",
    "explain_ranked_row",
    "explain_rows",
    "find_stream_changes",
    "fit_detector",
    "gpu_names",
    "make_features",
    "measure_mechanism",
    "meta_train",
    "observe_gradients",
    "plan_runs",
    "profile_upload",
    "project_features",
    "purify_pools",
    "rank_labeled_table",
    "record_replay",
    "record_supervision",
    "score_pools",
    "score_streams",
    "score_unlabeled_table",
    "survey_upload",
    "train_each",
    "train_runs",
    "warm_umap",
]


def _through_store(compute: Callable[[Store], Any]) -> StoredOutcome:
    """Call a function with the store, and return its outcome with the problem that the store had meanwhile."""
    from anoonly_core.results.store import default_store

    store = default_store()
    outcome = compute(store)
    return StoredOutcome(outcome, store.problem, store.is_problem_busy)


def train_runs(configs: Sequence[RunConfig]) -> StoredOutcome:
    """Train and test runs on the CPU as one stack per group of equal shape, and write the results to the store.

    Returns
    -------
    StoredOutcome
        Its outcome is a list of RunResult in the order of `configs`. Runs in the store are read, not trained.
    """
    from anoonly_core.runs.run import RunProgress, run_many

    def report(progress: RunProgress) -> None:
        report_progress(progress.epoch, progress.epochs)

    return _through_store(lambda store: run_many(configs, "cpu", store, report))


def gpu_names() -> dict[str, str]:
    """Return the names of the GPUs that PyTorch can use, by their entry in CUDA_VISIBLE_DEVICES."""
    from anoonly_core.runs.gpu_device import gpu_names

    return gpu_names()


def train_each(
    configs: dict[str, RunConfig], device: str = "cpu", falls_back: bool = True
) -> list[tuple[str, RunOutcome]]:
    """Train and test runs without storing them; return each key with its result or its error.

    `configs` holds the runs by key; `device` is "cpu" or "cuda". A GPU that fails leaves its runs to the CPU, or raises
    GpuFailed unless `falls_back`.
    """
    from anoonly_core.runs.run import run_each

    return list(run_each(configs, device, report_progress, falls_back=falls_back))


def plan_runs(configs: dict[str, RunConfig], workers: int, device: str = "cpu") -> Plan:
    """Pack runs into stacks for a number of workers, after timing a few training steps of each shape of run.

    `configs` holds the runs by key; `device`, "cpu" or "cuda", is where they will train. See `planner.make_plan`.
    """
    from anoonly_core.execution.planner import make_plan

    return make_plan(configs, workers, check=check, device=device)


def observe_gradients(config: RunConfig) -> list[Observation]:
    """Train the first steps of a run, and return the gradients of each batch observed at each of its norms.

    See `microscope.run.observe`.
    """
    from anoonly_core.microscope.run import observe

    return observe(config, report_progress)


def record_replay(configs: Sequence[RunConfig], projector: str) -> Replay:
    """Train runs again and record their scores and 2-D projections per epoch; nothing is stored.

    `configs` are the runs; `projector` names the projection, such as "umap". See `replay.run.record`.
    """
    from threadpoolctl import threadpool_limits

    from anoonly_core.replay.run import record

    with threadpool_limits(1, user_api="openmp"):  # of t-SNE: each trainer has one core
        return record(configs, projector, report_progress)


def record_supervision(config: RunConfig) -> SupervisionRecord:
    """Train six runs like `config` that differ in norm or gradient, and return their scores and gradients per epoch.

    See `supervision.run.record_columns`.
    """
    from anoonly_core.supervision.run import record_columns

    return record_columns(config, report_progress)


def measure_mechanism(configs: Sequence[RunConfig], plugin: str | None = None) -> list[Measures | None]:
    """Train runs on the CPU and measure each: metrics, gradient at the last norm and collapse; nothing is stored.

    `plugin` is the path of a file that defines the mechanism, loaded first. Returns one entry per config; None for a
    run that diverged. See `weak_supervision.run.measure_runs`.
    """
    from anoonly_core.weak_supervision.run import measure_runs

    if plugin is not None:
        from anoonly_core.weak_supervision.plugin import load_plugin

        load_plugin(plugin)
    return measure_runs(configs, report_progress)


def explain_rows(config: RunConfig, rows: Sequence[int]) -> Explanation:
    """Train the system of a run, unless this process has it, and explain rows, given by index in its data set.

    See `explanation.run.explain_run`.
    """
    from anoonly_core.explanation.run import explain_run

    return explain_run(config, rows, report_progress)


def explain_ranked_row(file: bytes, name: str, row: int) -> Explanation:
    """Explain the score of a row, given by number in the file, of a ranked table by the detector file of the ranking.

    See `labeling.reasons.explain_ranked_row`.
    """
    from anoonly_core.labeling.reasons import explain_ranked_row

    return explain_ranked_row(file, name, row)


def fit_detector(config: RunConfig, all_rows: bool = False, holds_labels: bool = False) -> DetectorResult:
    """Train a detector, of a run or on all rows and labels; return its file and its scores of all rows.

    With `holds_labels` the trainings for its threshold hold labeled anomalies back, too, if six distinct ones are
    labeled.
    """
    from anoonly_core.detector.scoring import detector_result

    return detector_result(config, report_progress, all_rows, holds_labels)


def meta_train(configs: Sequence[ZeroShotConfig]) -> StoredOutcome:
    """Meta-train and test zero-shot networks, and write the results to the store.

    Returns
    -------
    StoredOutcome
        Its outcome is that of `zero_shot.run.run_zero_shot`: one result per config, in order.
    """
    from anoonly_core.zero_shot.run import run_zero_shot

    return _through_store(lambda store: run_zero_shot(configs, store, report_progress))


def score_streams(configs: Sequence[DriftConfig]) -> StoredOutcome:
    """Train networks, score streams by every way, and write the results to the store.

    Returns
    -------
    StoredOutcome
        Its outcome is that of `drift.run.run_drift`: one result per config, in order.
    """
    from anoonly_core.drift.run import run_drift

    return _through_store(lambda store: run_drift(configs, store, report_progress))


def absorb_anomalies(configs: Sequence[DriftConfig], shares: Sequence[float]) -> StoredOutcome:
    """Score streams without a shift over growing shares of anomalies, and write the results to the store.

    Returns
    -------
    StoredOutcome
        Its outcome is that of `drift.run.run_absorption`: one result per config, in order.
    """
    from anoonly_core.drift.run import run_absorption

    return _through_store(lambda store: run_absorption(configs, shares, store, report_progress))


def find_stream_changes(signals: dict[str, np.ndarray], detector: str) -> dict[str, tuple[int, ...]]:
    """Return the batches in which a detector finds a change, by name of the signal.

    `signals` are float [batches, rows], and `detector` is a key of `drift.detectors.DETECTORS`.
    """
    from anoonly_core.drift.detectors import find_changes

    return {name: find_changes(values, detector) for name, values in signals.items()}


def score_pools(configs: Sequence[PurifyConfig]) -> StoredOutcome:
    """Compute how suspicious each row of the pools is, and write the scores to the store.

    Returns
    -------
    StoredOutcome
        Its outcome is that of `purify.run.compute_pool_scores`: one result per config, in order.
    """
    from anoonly_core.purify.run import compute_pool_scores

    return _through_store(lambda store: compute_pool_scores(configs, store, report_progress))


def purify_pools(configs: Sequence[PurifyConfig]) -> StoredOutcome:
    """Remove suspicious rows from pools, train on the remaining rows, and write the results to the store.

    Returns
    -------
    StoredOutcome
        Its outcome is that of `purify.run.purify_many`: one result per config, in order.
    """
    from anoonly_core.purify.run import purify_many

    return _through_store(lambda store: purify_many(configs, store, report_progress))


def download_datasets(names: Sequence[str]) -> None:
    """Download data sets, given by catalogue name, to the cache, reporting bytes as progress; block until all ended.

    Files already downloaded are kept, and bundled data sets need none. Raise an AnoOnlyError if any download fails.
    """
    from anoonly_core.data.adbench.download_many import fetch_all
    from anoonly_core.data.catalogue import DATASETS

    files = [file for name in names if (file := DATASETS[name].file) is not None]

    def report(done: int, total: int | None) -> None:
        check()
        send_progress(done, total or 0)  # every piece: the next one may be long in coming

    fetch_all(files, report)


def make_features(
    find_rows: Callable[[], RawSource],
    encoder: str,
    out: Path,
    weights: str | None = None,
    choices: Mapping[str, object] | None = None,
    anomalies: Sequence[str] = (),
    max_seconds: float | None = None,
) -> FeatureSummary:
    """Encode raw rows and write them to a feature file, reporting rows as progress; a canceled task can go on later.

    `find_rows` lists the rows, such as a partial of `find_images`; further parameters as in `load_encoder` and
    `features.run.make_features`. Images are decoded in a process of their own.
    """
    from anoonly_core.features.encoders.registry import load_encoder
    from anoonly_core.features.run import make_features

    source = find_rows()
    check()
    loaded = load_encoder(encoder, weights, choices)
    return make_features(source, loaded, out, report_progress, 1, anomalies=anomalies, max_seconds=max_seconds)


def survey_upload(name: str) -> RawSurvey:
    """Return what an upload, given by name, holds: images, a table with a column of texts, or an ordinary table.

    Raise UnknownDataset if the upload was removed, BadDataFile if it cannot be read.
    """
    from anoonly_core.data.tables import uploads
    from anoonly_core.data.tables.limits import within_memory
    from anoonly_core.features.raw_uploads import survey_upload

    table = uploads.get(name)
    with within_memory(table.file_name):
        return survey_upload(table)


def encode_upload(name: str, choice: RawChoice, owner: str, server: str) -> str:
    """Make features of the raw rows of an upload, given by name, and return the name of the upload that holds them.

    A canceled task goes on later where it was. Features that find no room as an upload are kept.

    Parameters
    ----------
    name
        Upload with the raw rows.
    choice
        Encoder, and columns of a table.
    owner, server
        Tokens of the browser and the server, for the new upload.

    Raises
    ------
    UnknownDataset
        If the upload was removed.
    BadDataFile
        If no row can be read, or a limit is exceeded.
    """
    from functools import partial

    from anoonly_core.data.tables import uploads
    from anoonly_core.features import raw_uploads

    table = uploads.get(name)
    uploads.check_room(raw_uploads.feature_title(table, choice), owner)
    out = raw_uploads.feature_path(table, choice)
    if not out.is_file():
        make_features(partial(raw_uploads.raw_rows, table, choice), choice.encoder, out)
    return raw_uploads.add_features(table, choice, owner, server).name


def profile_upload(name: str, options: ReadOptions | None = None) -> TableProfile:
    """Read an uploaded table, given by name, and return its profile, cut to a size for pages.

    `options` are choices on how the file is read, by default those of the schema that was applied.

    Raise UnknownDataset if the upload was removed, BadDataFile if it cannot be read.
    """
    from anoonly_core.data.tables import uploads
    from anoonly_core.data.tables.limits import within_memory
    from anoonly_core.data.tables.profile import profile_table
    from anoonly_core.data.tables.profile_limits import bound_profile

    table = uploads.get(name)
    with within_memory(table.file_name):
        source = uploads.read_source(table, options, report_part(report_progress, 0.0, READING))
        return bound_profile(profile_table(source, report_part(report_progress, READING, 1.0)))


def apply_schema(name: str, schema: TableSchema) -> Upload:
    """Parse an uploaded table, given by name, under a schema, and store its rows as a data set.

    Return the new metadata of the upload. Raise BadDataFile if the table does not fit, UnknownDataset if it was
    removed.
    """
    from anoonly_core.data.tables import uploads
    from anoonly_core.data.tables.limits import within_memory

    table = uploads.get(name)
    with within_memory(table.file_name):
        return uploads.apply_schema(table, schema, report_progress)[0]


def score_unlabeled_table(config: RunConfig, scorer: str) -> Ranking:
    """Score the rows of a table by an unsupervised scorer, without labels, for a ranking.

    `config` names the table and the seed; `scorer` is a key of UNSUPERVISED_SCORERS.
    """
    from anoonly_core.labeling.run import rank_without_labels

    return rank_without_labels(config, scorer, report_progress)


def rank_labeled_table(config: RunConfig, anomalies: Sequence[int], normals: Sequence[int] = ()) -> Ranking:
    """Train on the rows of a table that a user labeled as anomalies and as normal, and score all rows for a ranking.

    `config` names the table; `anomalies` and `normals` are row numbers in the file.
    """
    from anoonly_core.labeling.run import rank_with_labels

    return rank_with_labels(config, anomalies, normals, report_progress)


def project_features(features: np.ndarray, projector: str) -> np.ndarray:
    """Project features, float [rows, columns], to points in the plane, float32 [rows, 2].

    `projector` names the projection, such as "umap"; see `projection.project`.
    """
    from anoonly_core.projection import project

    return project(features, projector)


def warm_umap() -> None:
    """Run UMAP once on random data so that its code is compiled before the first real projection."""
    import numpy as np

    from anoonly_core.projection import project

    project(np.random.default_rng(0).normal(size=(60, 8)), "umap")
