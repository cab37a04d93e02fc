"""Rows through an encoder: read in processes, encoded in threads, returned in order, a few at a time."""

from __future__ import annotations

import queue
import sys
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from anoonly_core.data.feature_files import LeftOut
from anoonly_core.data.tables.files import MAX_CELLS, MAX_COLUMNS, printable
from anoonly_core.errors import AnoOnlyError, BadDataFile, InvalidConfig
from anoonly_core.features.decoder import Decoder
from anoonly_core.features.encoders.encoder import Encoder
from anoonly_core.features.journal import EncodedRows
from anoonly_core.features.source import RawRow, RawSource
from anoonly_core.machine import cores
from anoonly_core.progress import Report

__all__ = [
    "CHUNK_ROWS",
    "EncodedSource",
    "Encoding",
    "check_encoding",
    "counted_notes",
    "encode_rows",
    "nothing_readable",
]

CHUNK_ROWS = 16  # rows that a process decodes and a thread encodes at a time
POLL_SECONDS = 0.2  # how often the callback is called while rows are waited for


@dataclass(frozen=True, eq=False)
class EncodedSource:
    """All rows of a source after the encoder.

    Attributes
    ----------
    features
        float32 [rows that could be read, dimension].
    rows
        Index of each of these in the source, int64 [rows].
    left_out
        The other rows.
    notes
        Sentences on how rows were read.
    """

    features: np.ndarray
    rows: np.ndarray
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def encode_rows(
    source: RawSource,
    encoder: Encoder,
    progress: Report = lambda done, total: None,
    workers: int | None = None,
) -> EncodedSource:
    """Encode all rows of a source in memory, as for scoring.

    Raises
    ------
    InvalidConfig
        If encoder and source are of two kinds.
    BadDataFile
        If no row can be read.
    """
    check_encoding(source, encoder, workers, CHUNK_ROWS)
    parts: list[np.ndarray] = []
    left_out: dict[int, LeftOut] = {}
    notes: Counter[str] = Counter()
    total = len(source.names)
    with Encoding(source, encoder, workers or cores(), CHUNK_ROWS) as encoding:
        for encoded in encoding.encode_from(0, progress):
            parts.append(encoded.features)
            left_out |= encoded.left_out
            notes.update(encoded.notes)
            progress(encoded.end, total)
    if len(left_out) == total:
        raise nothing_readable(source, left_out)
    rows = np.array([row for row in range(total) if row not in left_out], dtype=np.int64)
    unread = tuple(left for _, left in sorted(left_out.items()))
    return EncodedSource(np.concatenate(parts), rows, unread, counted_notes(notes, source.kind))


def counted_notes(notes: Mapping[str, int], kind: str) -> tuple[str, ...]:
    """Return the notes of rows as sentences that begin with the number of rows; `kind` is what the rows are."""
    return tuple(f"{count:,} {kind}{'s' * (count > 1)}: {note}" for note, count in sorted(notes.items()))


def check_encoding(source: RawSource, encoder: Encoder, workers: int | None, chunk_rows: int) -> None:
    """Raise InvalidConfig or BadDataFile if source, encoder and numbers do not fit each other."""
    identity = encoder.identity
    if identity.kind != source.kind:
        raise InvalidConfig(
            f"{identity.name} is an encoder of {identity.kind}s, and {source.title} holds {source.kind}s: "
            "choose another encoder."
        )
    if (workers is not None and workers < 1) or chunk_rows < 1:
        raise InvalidConfig("workers and chunk_rows must be whole numbers from 1.")
    if not source.names:
        raise BadDataFile(f"{source.title} holds no {source.kind}s.")
    if identity.dimension > MAX_COLUMNS or identity.dimension * len(source.names) > MAX_CELLS:
        raise BadDataFile(
            f"{source.title} has {len(source.names):,} {source.kind}s, which {identity.name} turns into "
            f"{identity.dimension} features each: at most {MAX_COLUMNS:,} features and {MAX_CELLS / 1e6:.0f} million "
            "values are written. Take fewer rows or another encoder."
        )


def nothing_readable(source: RawSource, left_out: Mapping[int, LeftOut]) -> BadDataFile:
    """Return the error that no row of a source can be read; `left_out` holds all rows by index."""
    first = left_out[min(left_out)]
    return BadDataFile(
        f"None of the {len(left_out):,} {source.kind}s of {source.title} can be read; {printable(first.name)}: "
        f"{first.reason}."
    )


class Encoding:
    """Threads that each read rows, those of images through a process, and encode them; used as a context.

    PyTorch computes with one thread in each meanwhile, in this whole process.

    Parameters
    ----------
    source, encoder
        Raw rows, and an encoder of the same kind.
    workers
        Number of threads, and of processes.
    chunk_rows
        Rows that a thread reads and encodes at a time.
    """

    def __init__(self, source: RawSource, encoder: Encoder, workers: int, chunk_rows: int) -> None:
        self._source, self._encoder, self._chunk_rows = source, encoder, chunk_rows
        self._workers = min(workers, -(-len(source.names) // chunk_rows))
        self._decoders: list[Decoder] = []
        self._idle: queue.SimpleQueue[Decoder] = queue.SimpleQueue()
        if source.kind == "image":
            self._decoders = [Decoder(source, encoder.identity.preprocessing) for _ in range(self._workers)]
            for decoder in self._decoders:
                self._idle.put(decoder)
        self._threads: ThreadPoolExecutor | None = None
        self._torch_threads = 0

    def __enter__(self) -> Self:
        torch: Any = sys.modules.get("torch")  # loaded by now if the encoder needs it
        if torch is not None:
            self._torch_threads = torch.get_num_threads()
            torch.set_num_threads(1)
        try:
            for decoder in self._decoders:
                decoder.start()
        except OSError as error:
            self.__exit__()
            raise AnoOnlyError(
                f"No process to decode with could be started ({error.strerror}): free memory."
            ) from error
        except BaseException:
            self.__exit__()
            raise
        self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix="encoder")
        return self

    def __exit__(self, *error: object) -> None:
        for decoder in self._decoders:
            decoder.close()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
        if self._torch_threads:
            sys.modules["torch"].set_num_threads(self._torch_threads)

    def encode_from(self, first: int, progress: Report) -> Iterator[EncodedRows]:
        """Yield all rows from index `first` on after the encoder, in order; few are read ahead.

        `progress` is called again and again while rows are waited for.
        """
        assert self._threads is not None
        total = len(self._source.names)
        starts = iter(range(first, total, self._chunk_rows))
        pending: deque[Future[EncodedRows]] = deque()
        done = first
        while True:
            while len(pending) <= self._workers and (start := next(starts, None)) is not None:
                rows = range(start, min(start + self._chunk_rows, total))
                pending.append(self._threads.submit(self._encode, rows))
            if not pending:
                return
            head = pending.popleft()
            while not wait([head], POLL_SECONDS).done:
                progress(done, total)
            encoded = head.result()
            done = encoded.end
            yield encoded

    def _encode(self, rows: range) -> EncodedRows:
        """Read and encode rows; runs in a thread."""
        answers = self._read(rows)
        left_out = {row: answer for row, answer in zip(rows, answers, strict=True) if isinstance(answer, LeftOut)}
        read = [(row, answer) for row, answer in zip(rows, answers, strict=True) if isinstance(answer, RawRow)]
        dimension = self._encoder.identity.dimension
        features = np.zeros((0, dimension), np.float32)
        if read:
            features = self._encoder.encode([answer.content for _, answer in read])
        if features.shape != (len(read), dimension):
            raise AssertionError(f"{self._encoder.identity.name} gives features of shape {features.shape}")
        finite = [bool(np.isfinite(values).all()) for values in features]
        for (row, _), is_finite in zip(read, finite, strict=True):
            if not is_finite:
                left_out[row] = LeftOut(name=self._source.names[row], reason="its features are not finite")
        previews = [answer.preview for (_, answer), is_finite in zip(read, finite, strict=True) if is_finite]
        of_rows = ((answer.note, self._encoder.note_of(answer.content)) for _, answer in read)
        notes = Counter(note for pair in of_rows for note in pair if note)
        return EncodedRows(rows.stop, features[np.array(finite, dtype=bool)], previews, left_out, notes)

    def _read(self, rows: range) -> list[RawRow | LeftOut]:
        if not self._decoders:
            return self._source.read(rows, self._encoder.identity.preprocessing)
        decoder = self._idle.get()
        try:
            return decoder.read(rows)
        finally:
            self._idle.put(decoder)
