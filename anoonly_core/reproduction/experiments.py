"""What is trained for each of the paper's tables and figures, and for each point that does not add up.

Two readings of the paper (arXiv 2305.18798) are trained: what its text says, and what its published code does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from anoonly_core.baselines import BASELINES, NORM_LABELS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.catalogue import DATASETS
from anoonly_core.reproduction.families import FAMILIES, family_of, files_of
from anoonly_core.results.keys import run_key
from anoonly_core.sweeps.presets import SWEEP_PRESETS

__all__ = [
    "ANOONLY",
    "COMPARATORS",
    "EXPERIMENTS",
    "HEADS",
    "READINGS",
    "SEEDS",
    "SMALL_FAMILIES",
    "SYSTEMS",
    "Experiment",
    "PlannedRun",
    "Variant",
    "files_at_hand",
    "planned_runs",
]

SEEDS = 5
HEADS = ("DeepSAD", "FEAWAD", "PReNet", "DevNet")  # in the order of the paper's tables
COMPARATORS = ("GANomaly", "REPEN", "XGBOD")
ANOONLY = " + AnoOnly"  # behind a head's name, in the tables
SYSTEMS = (*HEADS, *COMPARATORS)
# Of Figs. 5, 6, 7 and 9: one head that passes over all rows, and one of the three that draw half of each batch.
DRAWN = ("DeepSAD", "DevNet")

READINGS = MappingProxyType(
    {
        "text": "as the paper's text says, without the leak",
        "code": "as the published code does it",
    }
)
_SETTINGS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "text": {"preset": "paper", "protocol": "leak_free"},
        "code": {"preset": "published_code", "protocol": "published"},
    }
)

# Over its 200 000 training rows PyOD's forty detectors, support vectors among them, would take days, and GANomaly's
# 156 000 batches a run twenty minutes of a core for each of two cells that no paper has.
TOO_LARGE = frozenset({("XGBOD", "10_cover"), ("GANomaly", "10_cover")})
# DeepSAD passes over all rows: batches of one and two rows of CIFAR10 are 184 000 and 92 000 steps a run, an hour and
# a half of a core for the runs of one file. So small they are trained on the small sets alone.
PASSES_OVER_ALL, SMALL_BATCH = "DeepSAD", 4
SMALL_FAMILIES = ("MVTec-AD", "20news")  # of those at hand, what the loader resamples to 1000 rows


@dataclass(frozen=True)
class Variant:
    """One cell: where it stands (`at`: system, reading and what is varied) and what is trained there."""

    at: Mapping[str, Any]
    settings: Mapping[str, Any]
    everywhere: bool = False  # on files that are not the paper's too

    def takes(self, dataset: str) -> bool:
        """Tell whether the variant is trained on this data set."""
        family = family_of(dataset)
        baseline = self.settings["baseline"]
        if family is None or (baseline, dataset) in TOO_LARGE:
            return False
        small_batch = baseline == PASSES_OVER_ALL and self.settings.get("batch_size", SMALL_BATCH) < SMALL_BATCH
        if small_batch and family not in SMALL_FAMILIES:
            return False
        return self.everywhere or FAMILIES[family].in_paper


@dataclass(frozen=True)
class Experiment:
    """A table, a figure or a point to check, with its cells; families: where it is trained."""

    name: str
    title: str
    variants: tuple[Variant, ...]
    families: tuple[str, ...] = tuple(FAMILIES)


@dataclass(frozen=True)
class PlannedRun:
    """One run of an experiment; key: of a run on this machine's processor, on_gpu: on a GPU."""

    variant: Variant
    config: RunConfig
    key: str
    on_gpu: str


def _system(baseline: str, lambda_n: float | None) -> str:
    return f"{baseline}{ANOONLY}" if lambda_n == 0 else baseline


def _variant(reading: str, baseline: str, lambda_n: float | None, varied: Mapping[str, Any]) -> Variant:
    settings = {"baseline": baseline, "contamination": 0.0, **_SETTINGS[reading], **varied}
    if lambda_n is not None:
        settings.setdefault("lambda_n", lambda_n)
    if not BASELINES[baseline].has("preset"):
        del settings["preset"]
    at = {"system": _system(baseline, settings.get("lambda_n")), "baseline": baseline, "reading": reading, **varied}
    return Variant(MappingProxyType(at), MappingProxyType(settings))


def _crossed(readings: Iterable[str], baselines: Iterable[str], axes: Mapping[str, Sequence[Any]]) -> list[Variant]:
    """Baseline and AnoOnly of each head at each place of a grid; λ_n itself may be one of the axes."""
    found: list[Variant] = []
    for reading, baseline, *values in itertools.product(readings, baselines, *axes.values()):
        varied = dict(zip(axes, values, strict=True))
        if "batch_size" in varied and varied["batch_size"] < BASELINES[baseline].smallest_batch:
            continue
        weights = (1.0, 0.0) if "lambda_n" not in axes else (None,)
        found.extend(_variant(reading, baseline, lambda_n, varied) for lambda_n in weights)
    return found


def _systems() -> list[Variant]:
    """The eleven rows of Tables 1, 3 and 4 in both readings."""
    found = _crossed(READINGS, HEADS, {})
    found += [_variant(reading, baseline, None, {}) for reading in READINGS for baseline in COMPARATORS]
    return [Variant(own.at, own.settings, everywhere=own.at["reading"] == "text") for own in found]


def _asked(name: str) -> dict[str, Sequence[Any]]:
    """What a figure varies, as the Sweep page asks it, without baseline and AnoOnly."""
    axes: dict[str, Sequence[Any]] = dict(SWEEP_PRESETS[name].axes)
    return axes if name == "fig7" else {setting: values for setting, values in axes.items() if setting != "lambda_n"}


def _figure(name: str, variants: Iterable[Variant]) -> Experiment:
    return Experiment(name, SWEEP_PRESETS[name].title, tuple(variants))


def _all() -> Iterator[Experiment]:
    systems = tuple(_systems())
    yield Experiment("table1", "Table 1: AUCROC", systems)
    yield _figure("table2", _crossed(READINGS, ["DeepSAD"], {"norm": tuple(NORM_LABELS)}))
    yield Experiment("table3", "Table 3: AUCPR of the anomalies", systems)
    yield Experiment("table4", "Table 4: AUCPR of the normal rows", systems)
    for name in ("fig5", "fig6", "fig7"):
        yield _figure(name, _crossed(["text"], DRAWN, _asked(name)))
    code = _crossed(["code"], [head for head in HEADS if head != "FEAWAD"], {"contamination": (0.0, "natural")})
    yield _figure("fig8", [*_crossed(["text"], HEADS, {"contamination": (0.0, "natural")}), *code])
    yield _figure("fig9", _crossed(["text"], DRAWN, _asked("fig9")))
    yield Experiment(
        "learning-rate",
        "The learning rate that is 1e-4",
        tuple(_crossed(["code"], ["DeepSAD"], {"learning_rate": (1e-4, 1e-3)})),
    )
    yield Experiment(
        "leak",
        "The leak in sets under 1000 rows",
        tuple(_crossed(["code"], HEADS, {"protocol": ("published", "leak_free")})),
        SMALL_FAMILIES,
    )
    yield Experiment(
        "hinge",
        "DevNet's missing hinge",
        tuple(_crossed(["code"], ["DevNet"], {"preset": ("published_code", "paper")})),
    )
    yield Experiment(
        "tied-norm",
        "Norm and λₙ, taken apart",
        tuple(_crossed(["text"], ["DevNet", "PReNet"], {"norm": ("none", "batch")})),
    )


EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType({experiment.name: experiment for experiment in _all()})


def files_at_hand() -> list[str]:
    """Return the data sets of the table families that are on this machine."""
    return [name for family in FAMILIES for name in files_of(family) if DATASETS[name].is_local()]


def planned_runs(experiment: Experiment, files: Iterable[str], seeds: int = SEEDS) -> list[PlannedRun]:
    """Return all runs of an experiment on these data sets, file by file; files of no family are left out."""
    found = []
    for name in files:
        if family_of(name) not in experiment.families:
            continue
        for variant in experiment.variants:
            if variant.takes(name):
                for seed in range(seeds):
                    config = make_config(dataset=name, seed=seed, **variant.settings)
                    found.append(PlannedRun(variant, config, run_key(config), run_key(config, "cuda")))
    return found
