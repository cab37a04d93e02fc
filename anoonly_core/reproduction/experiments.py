"""Experiments for the tables and figures of the paper, and for each discrepancy.

Settings come from two sources: the text of the paper (arXiv 2305.18798) and its published code.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from anoonly_core.baselines import BASELINES, NORM_LABELS, PAPER_NORMS
from anoonly_core.config import RunConfig, make_config
from anoonly_core.data.catalogue import DATASETS
from anoonly_core.reproduction.families import FAMILIES, family_of, files_of
from anoonly_core.reproduction.grid import join_words
from anoonly_core.results.keys import run_key
from anoonly_core.sweeps.presets import SWEEP_PRESETS

__all__ = [
    "ANOONLY",
    "COMPARATORS",
    "EXPERIMENTS",
    "HEADS",
    "SEEDS",
    "SMALL_FAMILIES",
    "SOURCES",
    "SYSTEMS",
    "Experiment",
    "PlannedRun",
    "Variant",
    "files_at_hand",
    "planned_runs",
    "tied_norms",
    "tied_norms_sentence",
]

SEEDS = 5
HEADS = ("DeepSAD", "FEAWAD", "PReNet", "DevNet")  # in the order of the paper's tables
COMPARATORS = ("GANomaly", "REPEN", "XGBOD")
ANOONLY = " + AnoOnly"  # suffix of the name of a head in tables
SYSTEMS = (*HEADS, *COMPARATORS)
# Heads of Figs. 5, 6, 7 and 9: one iterates over all rows, the other draws labeled anomalies for half of each batch.
FIGURE_HEADS = ("DeepSAD", "DevNet")

SOURCES = MappingProxyType(
    {
        "text": "measured as the paper's text describes it, without the leak",
        "code": "measured as the published code does it",
    }
)
_SETTINGS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "text": {"preset": "paper", "protocol": "leak_free"},
        "code": {"preset": "published_code", "protocol": "published"},
    }
)

# With 200 000 training rows, XGBOD with the forty detectors of PyOD would take days. GANomaly would need 156 000
# batches a run, twenty core-minutes, for two cells that no paper prints.
TOO_LARGE = frozenset({("XGBOD", "10_cover"), ("GANomaly", "10_cover")})
# DeepSAD iterates over all rows: batches of 1 and 2 rows of CIFAR10 are 184 000 and 92 000 steps a run, 1.5 core-hours
# for the runs of one file. Batches below SMALL_BATCH are therefore trained on the small families only.
USES_ALL_ROWS, SMALL_BATCH = "DeepSAD", 4
SMALL_FAMILIES = ("MVTec-AD", "20news")  # families with files that the authors' loader resamples to 1000 rows


@dataclass(frozen=True)
class Variant:
    """Settings of the runs of one table cell, apart from data set and seed.

    Attributes
    ----------
    at : mapping of str to object
        Position of the cell: system, baseline, source and the varied settings.
    settings : mapping of str to object
        Arguments of make_config.
    everywhere : bool
        True if it is also trained on files that are not in the paper.
    """

    at: Mapping[str, Any]
    settings: Mapping[str, Any]
    everywhere: bool = False

    def takes(self, dataset: str) -> bool:
        """Return True if the variant is trained on this data set, given by name.

        False for data sets outside the families, and where the training would take too long.
        """
        family = family_of(dataset)
        baseline = self.settings["baseline"]
        if family is None or (baseline, dataset) in TOO_LARGE:
            return False
        small_batch = baseline == USES_ALL_ROWS and self.settings.get("batch_size", SMALL_BATCH) < SMALL_BATCH
        if small_batch and family not in SMALL_FAMILIES:
            return False
        return self.everywhere or FAMILIES[family].in_paper


@dataclass(frozen=True)
class Experiment:
    """Variants and data sets whose runs make up a table, a figure or a discrepancy.

    Attributes
    ----------
    name, title : str
        Its name on the command line, and its title.
    variants : tuple of Variant
        The cells.
    families : tuple of str
        Families whose files it is trained on.
    bundled : tuple of str
        Bundled data sets that it is trained on, too.
    """

    name: str
    title: str
    variants: tuple[Variant, ...]
    families: tuple[str, ...] = tuple(FAMILIES)
    bundled: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedRun:
    """One run of an experiment, with its store keys for the CPU (`key`) and for a GPU (`gpu_key`)."""

    variant: Variant
    config: RunConfig
    key: str
    gpu_key: str


def _system(baseline: str, lambda_n: float | None) -> str:
    return f"{baseline}{ANOONLY}" if lambda_n == 0 else baseline


def _variant(source: str, baseline: str, lambda_n: float | None, varied: Mapping[str, Any]) -> Variant:
    settings = {"baseline": baseline, "contamination": 0.0, **_SETTINGS[source], **varied}
    if lambda_n is not None:
        settings.setdefault("lambda_n", lambda_n)
    if not BASELINES[baseline].has("preset"):
        del settings["preset"]
    at = {"system": _system(baseline, settings.get("lambda_n")), "baseline": baseline, "source": source, **varied}
    return Variant(MappingProxyType(at), MappingProxyType(settings))


def _crossed(sources: Iterable[str], baselines: Iterable[str], axes: Mapping[str, Sequence[Any]]) -> list[Variant]:
    """Return one variant for each combination of source, head, axis values and λ_n.

    λ_n is 1 and 0 unless it is an axis. Batch sizes below the smallest of a head are left out.

    Parameters
    ----------
    sources : iterable of str
        Keys of SOURCES.
    baselines : iterable of str
        Names of heads.
    axes : mapping of str to sequence
        Values of each varied setting.
    """
    variants: list[Variant] = []
    for source, baseline, *values in itertools.product(sources, baselines, *axes.values()):
        varied = dict(zip(axes, values, strict=True))
        if "batch_size" in varied and varied["batch_size"] < BASELINES[baseline].smallest_batch:
            continue
        weights = (1.0, 0.0) if "lambda_n" not in axes else (None,)
        variants.extend(_variant(source, baseline, lambda_n, varied) for lambda_n in weights)
    return variants


def _systems() -> list[Variant]:
    """Return the variants of all rows of Tables 1, 3 and 4, eleven for each source."""
    variants = _crossed(SOURCES, HEADS, {})
    variants += [_variant(source, baseline, None, {}) for source in SOURCES for baseline in COMPARATORS]
    return [Variant(each.at, each.settings, everywhere=each.at["source"] == "text") for each in variants]


def _axes(name: str) -> dict[str, Sequence[Any]]:
    """Return the values of each varied setting of a figure, as in its sweep preset of this name.

    λ_n is left out except for Fig. 7.
    """
    axes: dict[str, Sequence[Any]] = dict(SWEEP_PRESETS[name].axes)
    return axes if name == "fig7" else {setting: values for setting, values in axes.items() if setting != "lambda_n"}


def _figure(name: str, variants: Iterable[Variant]) -> Experiment:
    return Experiment(name, SWEEP_PRESETS[name].title, tuple(variants))


def _all() -> Iterator[Experiment]:
    systems = tuple(_systems())
    yield Experiment("table1", "Table 1: AUCROC", systems)
    yield _figure("table2", _crossed(SOURCES, ["DeepSAD"], {"norm": PAPER_NORMS}))
    yield Experiment("table3", "Table 3: AUCPR of the anomalies", systems)
    yield Experiment("table4", "Table 4: AUCPR of the normal rows", systems)
    yield Experiment("fig4", "Fig. 4: spread of AUCPR", systems)
    for name in ("fig5", "fig6", "fig7"):
        yield _figure(name, _crossed(["text"], FIGURE_HEADS, _axes(name)))
    code = _crossed(["code"], [head for head in HEADS if head != "FEAWAD"], {"contamination": (0.0, "natural")})
    yield _figure("fig8", [*_crossed(["text"], HEADS, {"contamination": (0.0, "natural")}), *code])
    yield _figure("fig9", _crossed(["text"], FIGURE_HEADS, _axes("fig9")))
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
    yield Experiment(
        "feawad-score",
        "FEAWAD's score, F or |F|",
        tuple(_crossed(["text"], ["FEAWAD"], {"preset": ("paper", "paper_printed")})),
        families=(),
        bundled=("digits_3", "breast_cancer"),
    )


EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType({experiment.name: experiment for experiment in _all()})


def tied_norms(source: str) -> dict[str, str]:
    """Return the heads whose published norm changes with λ_n, each with both norms in words: "no norm → batch norm".

    `source` is a key of SOURCES: the text and the code pair norms with λ_n differently.
    """
    preset = _SETTINGS[source]["preset"]
    pairs = {head: [str(BASELINES[head].paired_norm(lambda_n, preset)) for lambda_n in (1.0, 0.0)] for head in HEADS}
    return {head: f"{NORM_LABELS[a]} → {NORM_LABELS[b]}" for head, (a, b) in pairs.items() if a != b}


def tied_norms_sentence(heads: Iterable[str], sources: Iterable[str]) -> str:
    """Say in words for which heads a gap to AnoOnly may also come from the norm, which changes together with λ_n.

    Parameters
    ----------
    heads : iterable of str
        The heads that a sentence compares with AnoOnly.
    sources : iterable of str
        Keys of SOURCES: where the settings come from.

    Returns
    -------
    str
        Sentences to follow another one, each after a space; "" if the norm of none of the heads changes.
    """
    compared = set(heads)
    by_change: dict[str, dict[str, None]] = {}
    for source in sources:
        for head, change in tied_norms(source).items():
            if head in compared:
                by_change.setdefault(change, {})[head] = None
    return "".join(
        f" With {join_words(list(names))} the norm changes along with λₙ ({change}): the gap may come from either."
        for change, names in by_change.items()
    )


def files_at_hand() -> list[str]:
    """Return the names of the data sets of all table families that are on this machine."""
    return [name for family in FAMILIES for name in files_of(family) if DATASETS[name].is_local()]


def planned_runs(experiment: Experiment, files: Iterable[str], seeds: int = SEEDS) -> list[PlannedRun]:
    """Return all runs of an experiment on its bundled sets and on some files.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    files : iterable of str
        Data sets; those of other families than the experiment's are left out.
    seeds : int
        Number of seeds, which count up from 0.
    """
    runs = []
    for name in (*experiment.bundled, *(name for name in files if family_of(name) in experiment.families)):
        for variant in experiment.variants:
            if name in experiment.bundled or variant.takes(name):
                for seed in range(seeds):
                    config = make_config(dataset=name, seed=seed, **variant.settings)
                    runs.append(PlannedRun(variant, config, run_key(config), run_key(config, "cuda")))
    return runs
