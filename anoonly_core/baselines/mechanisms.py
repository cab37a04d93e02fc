"""Mechanisms that may stand at a norm's place in a network: names, sources and strength dials; free of torch.

The computations are in `anoonly_core.models.norms`, under the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["MECHANISMS", "NORM_LABELS", "PAPER_NORMS", "Dial", "Mechanism", "check_mechanism", "register_mechanism"]


@dataclass(frozen=True)
class Dial:
    """Strength of a mechanism: the meaning and range of one number.

    Attributes
    ----------
    meaning
        The quantity that the number is, in words; it completes "The strength is …".
    standard
        Published or usual value, taken where none is given.
    low, high
        Smallest and largest value.
    levels
        Values that the weak-supervision sweep and the page offer, in ascending order; one of them is `standard`.
    """

    meaning: str
    standard: float
    low: float
    high: float
    levels: tuple[float, ...]

    def __post_init__(self) -> None:
        """Turn whole numbers into floats, as a RunConfig stores them."""
        for name in ("standard", "low", "high"):
            object.__setattr__(self, name, float(getattr(self, name)))
        object.__setattr__(self, "levels", tuple(map(float, self.levels)))

    @property
    def rule(self) -> str:
        """Allowed values in words, to follow "must be" in a message, as those of `config.RULES`."""
        return f"a number from {self.low:g} to {self.high:g}, {self.meaning}"


@dataclass(frozen=True)
class Mechanism:
    """Description of a norm, or of a loss on the features in the place of a norm.

    Attributes
    ----------
    name
        Value of the setting `norm`.
    label
        Name on pages, at most six words.
    source
        Publication, or the section of the docs.
    summary
        One sentence: the statistics or the loss that it takes.
    dial
        Meaning and range of the strength; None if there is none.
    """

    name: str
    label: str
    source: str
    summary: str
    dial: Dial | None = None


PAPER_NORMS = ("batch", "batch_no_affine", "layer", "none", "bn_loss")  # of the paper's Table 2

_LOSS = "the weight of the loss, which is divided by the batch size as the others are"
_BUILT_IN = (
    Mechanism(
        "batch",
        "batch norm",
        "Ioffe and Szegedy, ICML 2015",
        "Mean and variance of the batch, with a learned scale and shift.",
    ),
    Mechanism(
        "batch_no_affine",
        "batch norm without scale and shift",
        "Ioffe and Szegedy, ICML 2015",
        "Mean and variance of the batch.",
    ),
    Mechanism(
        "layer",
        "layer norm",
        "Ba et al., 2016",
        "Mean and variance of a row over its features, with a learned scale and shift.",
    ),
    Mechanism("none", "no norm", "AnoOnly, section 3.3", "The features as they are."),
    Mechanism(
        "bn_loss",
        "no norm, batch-norm loss",
        "AnoOnly, eq. 5",
        "A loss on the distance of the batch's mean from 0 and of its variance from 1.",
        Dial(_LOSS, 1, 0, 1e6, (0.1, 1, 10, 100, 1000)),
    ),
    Mechanism(
        "group",
        "group norm",
        "Wu and He, ECCV 2018",
        "Mean and variance of a row over groups of its features.",
        Dial("features in a group", 16, 1, 4096, (4, 16, 64)),
    ),
    Mechanism(
        "group_ws",
        "group norm, standardized weights",
        "Qiao et al., 2019",
        "Group norm behind a linear layer whose weights have mean 0 and variance 1 for each output.",
        Dial("features in a group", 16, 1, 4096, (4, 16, 64)),
    ),
    Mechanism(
        "rms",
        "RMS norm",
        "Zhang and Sennrich, NeurIPS 2019",
        "Root mean square of a row over its first features.",
        Dial("the share of the features that the root mean square is taken over", 1, 0.01, 1, (0.0625, 0.25, 1)),
    ),
    Mechanism(
        "ghost",
        "ghost batch norm",
        "Hoffer et al., NeurIPS 2017",
        "Mean and variance of each of several small batches that the batch is dealt into.",
        Dial("rows in a small batch", 32, 1, 65536, (4, 8, 16, 32, 64)),
    ),
    Mechanism(
        "renorm",
        "batch renorm",
        "Ioffe, NeurIPS 2017",
        "Batch norm corrected towards the running statistics, within bounds r_max = 1 + 2s and d_max = 5s.",
        Dial("s: 0 is batch norm, a large number the running statistics", 1, 0, 1e6, (0.1, 0.5, 1, 10)),
    ),
    Mechanism(
        "running",
        "running-statistics norm",
        "after Yong et al., ECCV 2020",
        "Running mean and variance mixed with those of the batch.",
        Dial("the batch's share: 0 is the running statistics, 1 is batch norm", 0.1, 0, 1, (0, 0.1, 0.5, 0.9)),
    ),
    Mechanism(
        "pool_only",
        "pool-only batch norm",
        "docs/methods.md § 13",
        "Mean and variance of the pool rows of the batch mixed with those of the whole batch.",
        Dial("the share of the pool's statistics: 0 is batch norm", 1, 0, 1, (0.5, 1)),
    ),
    Mechanism(
        "weighted",
        "weighted batch norm",
        "docs/methods.md § 13",
        "Mean and variance of the batch with another weight for labeled anomalies.",
        Dial("the weight of a labeled anomaly, where a pool row has 1", 10, 0, 1000, (0.1, 3, 10, 30)),
    ),
    Mechanism(
        "whiten",
        "whitening batch norm",
        "Huang et al., CVPR 2018",
        "Mean and covariance of the batch over groups of features (ZCA).",
        Dial("features that are whitened together: 1 is batch norm", 16, 1, 4096, (2, 4, 16, 64)),
    ),
    Mechanism(
        "variance_floor",
        "no norm, variance floor",
        "Bardes et al., ICLR 2022 (VICReg)",
        "A loss on features with a standard deviation below 1.",
        Dial(_LOSS, 25, 0, 1e6, (1, 25, 1000, 10000)),
    ),
    Mechanism(
        "variance_loss",
        "no norm, two-sided variance loss",
        "after Bardes et al., ICLR 2022 (VICReg)",
        "A loss on the distance of each feature's standard deviation from 1.",
        Dial(_LOSS, 25, 0, 1e6, (1, 25, 1000, 10000)),
    ),
    Mechanism(
        "covariance_loss",
        "no norm, covariance loss",
        "Bardes et al., ICLR 2022 (VICReg)",
        "A loss on the squared covariances between features.",
        Dial(_LOSS, 1, 0, 1e6, (1, 100, 10000)),
    ),
    Mechanism(
        "cluster",
        "no norm, moving-center loss",
        "docs/methods.md § 13",
        "A loss on the squared distance of each pool row from a moving average of the batch means.",
        Dial(_LOSS, 1, 0, 1e6, (0.01, 0.1, 1, 10)),
    ),
)

_mechanisms = {mechanism.name: mechanism for mechanism in _BUILT_IN}
_labels = {mechanism.name: mechanism.label for mechanism in _BUILT_IN}
MECHANISMS: Mapping[str, Mechanism] = MappingProxyType(_mechanisms)
NORM_LABELS: Mapping[str, str] = MappingProxyType(_labels)


def check_mechanism(mechanism: Mechanism) -> str:
    """Return a sentence about the first fault in the description of a mechanism; "" if it is sound.

    Name, standard strength and levels are checked.
    """
    dial = mechanism.dial
    if not mechanism.name.isidentifier() or not mechanism.name.islower():
        return f"its name must be lower-case letters, digits and _, not {mechanism.name!r}"
    if dial is None:
        return ""
    if not dial.low <= dial.standard <= dial.high:
        return f"the standard strength {dial.standard:g} lies outside {dial.low:g} to {dial.high:g}"
    if dial.standard not in dial.levels or list(dial.levels) != sorted(set(dial.levels)):
        return "the levels must ascend and hold the standard strength"
    if not (dial.low <= dial.levels[0] and dial.levels[-1] <= dial.high):
        return f"the levels must lie within {dial.low:g} to {dial.high:g}"
    return ""


def register_mechanism(mechanism: Mechanism) -> None:
    """Add a mechanism to MECHANISMS and NORM_LABELS under its name, for the rest of the process.

    A second registration of an equal description changes nothing. Raise ValueError if the description is wrong, or the
    name belongs to another mechanism.
    """
    if fault := check_mechanism(mechanism):
        raise ValueError(fault)
    if _mechanisms.setdefault(mechanism.name, mechanism) != mechanism:
        raise ValueError(f"there is a mechanism called {mechanism.name} already")
    _labels[mechanism.name] = mechanism.label
