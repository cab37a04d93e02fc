"""Score images and texts with a detector that was fitted on their features, by the encoder that it remembers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from anoonly_core.data.feature_files import FeatureAbout, LeftOut, read_about
from anoonly_core.data.tables.files import printable
from anoonly_core.detector.estimator import AnoOnlyDetector
from anoonly_core.detector.scoring import ScoredTable, score_table
from anoonly_core.errors import BadDataFile, InvalidInput
from anoonly_core.features.encoders.encoder import Encoder
from anoonly_core.features.encoders.registry import describe_pair, load_identical
from anoonly_core.features.encoding import encode_rows
from anoonly_core.features.source import RawSource
from anoonly_core.progress import Report

__all__ = ["ScoredRows", "check_features", "encoder_of", "score_rows"]


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Scores of raw rows.

    Attributes
    ----------
    scored
        The scores; its rows are indices in the source.
    names
        Name of each scored row.
    left_out
        Rows that cannot be read.
    notes
        Sentences on how rows were read.
    """

    scored: ScoredTable
    names: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def encoder_of(detector: AnoOnlyDetector, weights: str | None = None) -> Encoder:
    """Load the encoder that made the features of a detector.

    Parameters
    ----------
    detector
        A detector that was fitted on a feature file.
    weights
        Weights as in `load_encoder`, if they were named when the features were made.

    Raises
    ------
    InvalidInput
        If the detector was fitted on a table.
    BadModelFile
        If the encoder that is found has other weights or another preprocessing.
    AnoOnlyError
        As `load_encoder` does.
    """
    if detector.origin_ is None:
        raise InvalidInput(
            "The detector was fitted on a table and knows no encoder of images or texts: fit one on a feature file."
        )
    return load_identical(detector.origin_.encoder, weights)


def check_features(detector: AnoOnlyDetector, path: Path) -> None:
    """Raise BadDataFile if a feature file was made by another encoder than the features of a detector.

    Other files pass, and so does each file for a detector that was fitted on a table.
    """
    origin: FeatureAbout | None = detector.origin_
    about = read_about(path) if origin is not None else None
    if origin is None or about is None or about.encoder == origin.encoder:
        return
    found, wanted = describe_pair(about.encoder, origin.encoder)
    raise BadDataFile(
        f"{printable(path)} holds features of {found}, and the detector was fitted on those of {wanted}: make the "
        "features with the same encoder, weights and preprocessing."
    )


def score_rows(
    detector: AnoOnlyDetector,
    source: RawSource,
    encoder: Encoder,
    progress: Report = lambda done, total: None,
    workers: int | None = None,
) -> ScoredRows:
    """Encode and score raw rows; their scores have the same bits as those of a feature file of them.

    Parameters
    ----------
    detector
        A detector that was fitted on a feature file.
    source
        Raw rows.
    encoder
        That of `encoder_of`.
    progress
        Called with the rows done and all rows; an exception stops the scoring.
    workers
        Number of processes and threads, as in `make_features`.

    Raises
    ------
    InvalidConfig
        If the detector was fitted on texts and the source holds images, or the other way round.
    BadDataFile
        If no row can be read, or a score is not finite.
    """
    encoded = encode_rows(source, encoder, progress, workers)
    table = pd.DataFrame(encoded.features, columns=[f"x{column}" for column in range(encoded.features.shape[1])])
    scored = score_table(detector, table, source.title)
    rows = encoded.rows[scored.rows]
    names = tuple(source.names[row] for row in rows)
    left_out = (*source.left_out, *encoded.left_out)
    return ScoredRows(replace(scored, rows=rows), names, left_out, (*source.notes, *encoded.notes))
