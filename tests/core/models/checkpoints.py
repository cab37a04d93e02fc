"""Checkpoints of random weights, for systems whose published weights are not part of these tests."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from anoonly_core.baselines import BASELINES

__all__ = ["PRETRAINED", "VARIABLES", "write_checkpoint"]

VARIABLES = {name: baseline.weights for name, baseline in BASELINES.items() if baseline.weights}
PRETRAINED = tuple(VARIABLES)


def write_checkpoint(name: str, path: Path, seed: int = 0) -> None:
    """Write a small network of the package of a system with random weights, in the format of its published files."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network, config = _tabicl() if name == "TabICL" else _tabpfn()
        for weight in network.parameters():
            if weight.ndim > 1:
                nn.init.normal_(weight, std=0.3)
    torch.save({"config": config, "state_dict": network.state_dict()}, path)


def _tabicl() -> tuple[nn.Module, dict[str, object]]:
    from tabicl._model.tabicl import TabICL

    blocks: dict[str, object] = {f"{part}_num_blocks": 1 for part in ("col", "row", "icl")}
    heads = {f"{part}_nhead": 2 for part in ("col", "row", "icl")}
    config = {"embed_dim": 16, "col_num_inds": 8, "row_num_cls": 2, **blocks, **heads}
    return TabICL(**config), config


def _tabpfn() -> tuple[nn.Module, dict[str, object]]:
    from tabpfn.architectures.tabpfn_v2 import TabPFNV2Config, get_architecture

    config = TabPFNV2Config(max_num_classes=10, num_buckets=10, emsize=24, nlayers=2, nhead=2)
    return get_architecture(config), asdict(config)
