"""A data set's rows on a GPU, as each run of a stack sees them: moved there once, scaled there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from anoonly_core.data.dataset import Dataset
from anoonly_core.data.split import Split

__all__ = ["GpuRows"]

BLOCK_VALUES = 2**26  # of rows that are scored at once, 256 MB of float32


class GpuRows:
    """X: float32 [rows, columns], as it stands in the data set; minimum, scale: [D, columns] of the D distinct splits.

    Subtraction and division round as they do on a CPU, so that the scaled values are the same to the bit.
    """

    def __init__(self, dataset: Dataset, splits: Sequence[Split], device: torch.device) -> None:
        distinct = {id(split): split for split in splits}
        self.X = torch.tensor(dataset.X, device=device)
        self._place = {key: place for place, key in enumerate(distinct)}
        self.minimum, self.scale = (
            torch.from_numpy(np.stack([getattr(split, name) for split in distinct.values()])).to(device)
            for name in ("minimum", "scale")
        )

    def scaled_into(self, out: Tensor, split: Split, rows: np.ndarray) -> None:
        """Write rows of the data set as a run with this split sees them to out [len(rows), columns]."""
        place = self._place[id(split)]
        torch.index_select(self.X, 0, torch.from_numpy(rows).to(out.device), out=out)
        out.sub_(self.minimum[place]).div_(self.scale[place])

    @torch.no_grad()
    def in_blocks(
        self, function: Callable[[Tensor], Tensor], splits: Sequence[Split], rows: Sequence[np.ndarray]
    ) -> Tensor:
        """`function` of x [R, b, columns] for each run's own rows of the data set, joined: [R, most rows, ...].

        A run with fewer rows than another gets what the data set's first row gives, behind its own.
        """
        seen: dict[tuple[int, int], int] = {}
        which = [seen.setdefault((id(split), id(own)), len(seen)) for split, own in zip(splits, rows, strict=True)]
        firsts = [which.index(place) for place in range(len(seen))]
        most = max(len(own) for own in rows)
        places = np.zeros((len(firsts), most), dtype=np.int64)
        for place, run in enumerate(firsts):
            places[place, : len(rows[run])] = rows[run]
        device = self.X.device
        on_gpu = torch.from_numpy(places).to(device)
        of_split = torch.tensor([self._place[id(splits[run])] for run in firsts], device=device)
        minimum, scale = self.minimum[of_split][:, None], self.scale[of_split][:, None]
        runs = torch.tensor(which, device=device)
        size = max(1, BLOCK_VALUES // (len(rows) * self.X.shape[1]))
        results = []
        for begin in range(0, most, size):
            x = (self.X[on_gpu[:, begin : begin + size]] - minimum).div_(scale)
            x = x.expand(len(rows), -1, -1) if len(x) == 1 else x if len(x) == len(rows) else x[runs]
            results.append(function(x))
        return torch.cat(results, dim=1)
