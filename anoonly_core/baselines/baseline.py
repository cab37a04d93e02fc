"""Type of a published system: its network, its training settings by preset, its norms."""

from __future__ import annotations

from dataclasses import dataclass

from anoonly_core.baselines.network import NetworkBuilder

__all__ = ["BATCH_NORMS", "GRADIENT_PLACE", "GRADIENT_SHARES", "NORM_SETTINGS", "Baseline", "TrainingSettings"]

BATCH_NORMS = ("batch", "batch_no_affine")

# Settings of a run: shares of the three parts of batch norm's gradient that its backward pass lets through.
GRADIENT_SHARES = ("grad_direct", "grad_variance", "grad_mean")
# Setting of a run: which batch norms of the network have these shares.
GRADIENT_PLACE = "grad_place"
# Settings that belong to the norm of a run and may not fit another one.
NORM_SETTINGS = (*GRADIENT_SHARES, GRADIENT_PLACE, "norm_strength")


@dataclass(frozen=True)
class TrainingSettings:
    """Published training settings of a system; None for a setting that the system lacks."""

    epochs: int | None
    batch_size: int | None
    learning_rate: float | None


@dataclass(frozen=True)
class Baseline:
    """A published system.

    Attributes
    ----------
    name
        Name in configs and on pages.
    summary
        Two sentences for pages.
    revision
        Part of run keys. Raise it with every change of code that changes scores, so that stored runs
        of the old code are not reused.
    settings
        Training settings by preset; the first preset is the default. The keys are the presets that the system has.
    norms
        By preset, the published norm at λ_n = 1 and the one below 1. None for a comparator, which
        has neither λ_n nor a choice of norm.
    norm_places
        Number of norms in the network.
    network
        Builds the description of the network; None if the system is not a network of this package.
    epoch
        Description of one epoch, for pages.
    steps
        Batches in an epoch; 0 if an epoch is one pass over the rows.
    pretraining_epochs
        Epochs before the training itself.
    smallest_batch
        Smallest batch size with room for each role of row that a batch needs.
    implementation
        Import path of the class of another package that the system is; "" for a network of this package.
    extra
        Extra of this package that installs the other package, a key of `extras.REQUIREMENTS`.
    weights
        Environment variable with the path of its pretrained weights, which the user has; "" if it needs none.
    hidden
        Name of the features that the maps of a run show beside its input columns.

    Source: docs/methods.md § 1, 2 and 8.
    """

    name: str
    summary: str
    revision: int
    settings: dict[str, TrainingSettings]
    norms: dict[str, tuple[str, str]] | None = None
    norm_places: int = 1
    network: NetworkBuilder | None = None
    epoch: str = ""
    steps: int = 0
    pretraining_epochs: int = 0
    smallest_batch: int = 1
    implementation: str = ""
    extra: str = "comparators"
    weights: str = ""
    hidden: str = "hidden features"

    def has(self, setting: str) -> bool:
        """Return True if the system uses a setting of a config, given by name; unknown names count as used."""
        if setting == GRADIENT_PLACE:
            return self.norm_places > 1
        if setting in ("lambda_n", "norm", *NORM_SETTINGS):
            return self.norms is not None
        if setting == "preset":
            return len(self.settings) > 1
        return getattr(next(iter(self.settings.values())), setting, True) is not None

    def paired_norm(self, lambda_n: float, preset: str) -> str | None:
        """Return the name of the norm that is published for this λ_n under a preset; None for a comparator."""
        if self.norms is None:
            return None
        return self.norms[preset][0 if lambda_n == 1 else 1]
