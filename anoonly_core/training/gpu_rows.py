"""Rows of a data set on a GPU: copied once, scaled there for each run of a stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split

__all__ = ["GpuRows"]

BLOCK_VALUES = 2**26  # of rows that are scored at once: 256 MiB of float32


@dataclass(frozen=True, eq=False)
class _Place:
    """Rows of all runs of a stack on the GPU: indices and scaling of the D distinct pairs of split and rows.

    Attributes
    ----------
    positions
        Row indices in the data set, int64 [D, longest]; 0 behind the rows of a shorter pair.
    minimum, scale, fill
        Scaling, [D, 1, columns] each; no fill if no value is missing.
    runs
        For each run, the index of its pair, int64 [R].
    """

    positions: Tensor
    minimum: Tensor
    scale: Tensor
    fill: Tensor | None
    runs: Tensor


class GpuRows:
    """All rows of a data set on a GPU, unscaled, with the scaling of each distinct split.

    Subtraction, division and cast round as on a CPU, so the scaled values are equal to the bit.

    Attributes
    ----------
    X
        Unscaled rows of the data set [rows, columns], in its dtype.
    minimum, scale
        Scaling of the D distinct splits, [D, columns]; scaled = (X - minimum) / scale.
    fill
        Values that replace missing ones before scaling, [D, columns]; None if no value is missing.
    """

    def __init__(self, dataset: Dataset, splits: Sequence[Split], device: torch.device) -> None:
        distinct = {id(split): split for split in splits}
        self.X = torch.tensor(dataset.X, device=device)
        self._index = {key: index for index, key in enumerate(distinct)}
        self.minimum, self.scale = (
            torch.from_numpy(np.stack([getattr(split, name) for split in distinct.values()])).to(device)
            for name in ("minimum", "scale")
        )
        fills = [split.fill for split in distinct.values() if split.fill is not None]
        self.fill = torch.from_numpy(np.stack(fills)).to(device) if fills else None
        self._placed: tuple[Sequence[Split], Sequence[np.ndarray], _Place] | None = None  # of the last call

    def scale_into(self, out: Tensor, split: Split, rows: np.ndarray) -> None:
        """Scale rows of the data set as `split` does, and write them to `out`, float32 [len(rows), columns].

        `rows` are indices into the data set, int64; `split` must be one of those given to the constructor.
        """
        index = self._index[id(split)]
        indices = torch.from_numpy(rows).to(out.device)
        if self.X.dtype == out.dtype:
            torch.index_select(self.X, 0, indices, out=out)
            if self.fill is not None:
                out.copy_(torch.where(out.isnan(), self.fill[index], out))
            out.sub_(self.minimum[index]).div_(self.scale[index])
        else:
            x = self.X[indices]
            x = x if self.fill is None else torch.where(x.isnan(), self.fill[index], x)
            out.copy_((x - self.minimum[index]).div_(self.scale[index]))

    @torch.no_grad()
    def map_rows(
        self, function: Callable[[Tensor], Tensor], splits: Sequence[Split], rows: Sequence[np.ndarray]
    ) -> Tensor:
        """Apply a function to scaled rows of each run; return before the GPU has finished.

        Parameters
        ----------
        function
            Maps scaled rows [R, b, columns] to [R, b, ...], row by row.
        splits
            One per run.
        rows
            For each run r, row indices in the data set, int64 [n_r]. Those of the last call, the same object with the
            same `splits`, are still on the GPU: to copy them there again would wait for it.

        Returns
        -------
        Tensor
            Results [R, max n_r, ...]. Behind the results of a run with fewer rows stand results of
            the first row of the data set.
        """
        if self._placed is None or self._placed[0] is not splits or self._placed[1] is not rows:
            self._placed = (splits, rows, self._place(splits, rows))
        place = self._placed[2]
        size = max(1, BLOCK_VALUES // (len(rows) * self.X.shape[1]))
        results = []
        for begin in range(0, place.positions.shape[1], size):
            x = self.X[place.positions[:, begin : begin + size]]
            x = x if place.fill is None else torch.where(x.isnan(), place.fill, x)
            x = (x - place.minimum).div_(place.scale).float()
            x = x.expand(len(rows), -1, -1) if len(x) == 1 else x if len(x) == len(rows) else x[place.runs]
            results.append(function(x))
        return torch.cat(results, dim=1)

    def _place(self, splits: Sequence[Split], rows: Sequence[np.ndarray]) -> _Place:
        distinct: dict[tuple[int, int], int] = {}
        pairs = [(id(split), id(positions)) for split, positions in zip(splits, rows, strict=True)]
        index_of_run = [distinct.setdefault(pair, len(distinct)) for pair in pairs]
        first_runs = [index_of_run.index(index) for index in range(len(distinct))]
        padded = np.zeros((len(first_runs), max(len(positions) for positions in rows)), dtype=np.int64)
        for index, run in enumerate(first_runs):
            padded[index, : len(rows[run])] = rows[run]
        device = self.X.device
        split_index = torch.tensor([self._index[id(splits[run])] for run in first_runs], device=device)
        return _Place(
            positions=torch.from_numpy(padded).to(device),
            minimum=self.minimum[split_index][:, None],
            scale=self.scale[split_index][:, None],
            fill=None if self.fill is None else self.fill[split_index][:, None],
            runs=torch.tensor(index_of_run, device=device),
        )
