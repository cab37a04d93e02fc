"""Settings of a run: a frozen, validated `RunConfig`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from anoonly_core.baselines import (
    BASELINES,
    BATCH_NORMS,
    GRADIENT_PLACE,
    GRADIENT_SHARES,
    MECHANISMS,
    NORM_LABELS,
    NORM_SETTINGS,
    Dial,
)
from anoonly_core.errors import InvalidConfig, did_you_mean

__all__ = [
    "LABEL_SETTINGS",
    "LATER_SETTINGS",
    "MAX_CONTAMINATION",
    "RULES",
    "RunConfig",
    "check_field",
    "make_config",
]

MAX_CONTAMINATION = 0.8

# Settings of labels and unlabeled rows beside labeled_ratio.
LABEL_SETTINGS = (
    *("labeled_anomalies", "labeled_normals", "labeled_normal_ratio", "unlabeled_ratio"),
    *("flipped_anomalies", "flipped_normals", "unseen_types"),
)
# Settings that came later: at their default they are no part of a run's key.
LATER_SETTINGS = (*NORM_SETTINGS, *LABEL_SETTINGS)

# Allowed values of each setting, for error messages, help texts and the command line.
RULES = {
    "dataset": "the name of a data set, or the path of a table file and how it is read, such as "
    "file.csv?label=class&anomaly=4,5",
    "baseline": f"one of {', '.join(BASELINES)}",
    "lambda_n": "a number from 0 (AnoOnly) to 1 (the baseline)",
    "norm": f"one of {', '.join(NORM_LABELS)}",
    "batch_size": "a whole number from 1 to 65536",
    "epochs": "a whole number from 1 to 10000",
    "learning_rate": "a number above 0 and up to 1",
    "labeled_ratio": "a number above 0 and up to 1, the share of training anomalies whose label is seen",
    "normal_ratio": "a number above 0 and up to 1, the share of the pool's normal rows that is kept",
    "contamination": f"'natural' or a number from 0 to {MAX_CONTAMINATION}, the anomalous share of the pool",
    "preset": "'paper' or 'published_code'; for FEAWAD also 'paper_printed' (|F| as printed, where 'paper' takes F); "
    "for systems of other packages 'default' or, if they use labels, 'tuned'",
    "protocol": "'leak_free', 'published', 'by_time', 'by_group' or 'test_file'; the last three need a table with "
    "time=, group= or test=",
    "seed": "a whole number from 0 to 2147483647",
    "grad_direct": "a number from 0 to 1, the share of batch norm's direct gradient that is let through",
    "grad_variance": "a number from 0 to 1, the share of batch norm's gradient through the variance",
    "grad_mean": "a number from 0 to 1, the share of batch norm's gradient through the mean",
    "grad_place": "all, first or last, the batch norms of the network that these shares hold for",
    "norm_strength": "a number within the range of the norm's dial, such as rows in a small batch for ghost",
    "labeled_anomalies": "a whole number from 1 to 1000000, the training anomalies whose label is seen, in place of "
    "labeled_ratio",
    "labeled_normals": "a whole number from 0 to 1000000, the training rows known to be normal",
    "labeled_normal_ratio": "a number from 0 to 1000, further rows known to be normal for each labeled anomaly",
    "unlabeled_ratio": "a number from 0 to 1, the share of the rows without a label that is used",
    "flipped_anomalies": "a number from 0 to 1, the share of the labeled anomalies that are labeled normal",
    "flipped_normals": "a number from 0 to 1, the share of the normal training rows that are labeled anomalous",
    "unseen_types": "a whole number from 0 to 1000, the types of anomaly that no training row has",
}

Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
AnyShare = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Place = Literal["all", "first", "last"]
Preset = Literal["paper", "published_code", "paper_printed", "default", "tuned"]
Protocol = Literal["leak_free", "published", "by_time", "by_group", "test_file"]
# Words that a setting takes, to suggest one for a word that is mistyped.
_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "baseline": tuple(BASELINES),
        "norm": tuple(NORM_LABELS),
        "preset": get_args(Preset),
        "protocol": get_args(Protocol),
        "grad_place": get_args(Place),
        "contamination": ("natural",),
    }
)


class RunConfig(BaseModel):
    """All settings that decide the scores of a run; build it with `make_config`.

    Settings that are not given are filled in with the published values, so that a config states what is trained.
    A setting that the baseline lacks is None; giving it is an error.

    Attributes
    ----------
    dataset : str
        A data set of the catalogue, or the path of a table with its schema (`file.csv?label=class&anomaly=4`).
    baseline : str
        The system: a head (such as "DeepSAD") or a comparator (such as "XGBOD").
    lambda_n : float or None
        Weight of the loss on the pool, 0 to 1; 1 is the baseline, 0 is AnoOnly. Source: paper eq. 7.
    norm : str or None
        Normalization layer; filled in with the one that is published for lambda_n.
    batch_size, epochs : int or None
        Rows per mini-batch, and passes or rounds of training.
    learning_rate : float or None
        Step size of the optimizer, above 0 and at most 1.
    labeled_ratio : float
        Share of the training anomalies that are labeled, above 0 and at most 1.
    normal_ratio : float
        Share of the normal pool rows that are kept, above 0 and at most 1.
    contamination : float or "natural"
        Share of anomalies in the pool, 0 to 0.8; "natural" keeps the unlabeled anomalies of the data set.
    preset : str
        "paper" or "published_code": which published losses and values are used. FEAWAD also has "paper_printed", which
        trains and scores |F| as printed in paper eq. 20 and 21; "paper" takes F there. Systems of other packages have
        "default" and, if they use labels, "tuned", which chooses settings by cross-validation on the training labels.
        Filled in with the first preset of the system. Source: docs/methods.md § 8.
    protocol : str
        How the data set is split: "leak_free" at random; "published", which leaks copies into the test; "by_time",
        which tests on the latest rows; "by_group", which tests on entities that training lacks; "test_file", which
        tests on the rows of a file of its own. The last three need a table with a column or a file for it.
    seed : int
        Seed of split, initialization and batches, 0 to 2**31 - 1.
    grad_direct, grad_variance, grad_mean : float
        Shares, 0 to 1, of the direct part of batch norm's gradient, of the part through the batch's variance and of
        the part through its mean that every batch norm lets through in the backward pass; 1 each is the true
        gradient. The forward pass does not depend on them. A share below 1 needs a batch norm.
        Source: paper § 3.3 and appendix A; docs/methods.md § 5.
    grad_place : str
        Batch norms of the network, counted from the input, that these shares hold for: "all", the "first" or the
        "last". Stored as "all" where it has no effect: for shares of 1, and in a network with one batch norm.
    norm_strength : float or None
        Strength of a norm with a dial, with the meaning and range of `MECHANISMS[norm].dial`. None is the standard
        value, which is stored as None. Source: docs/methods.md § 13.
    labeled_anomalies : int or None
        Number of labeled anomalies in place of labeled_ratio, which then must be as by default.
    labeled_normals, labeled_normal_ratio : int, float
        Rows known to be normal: a number, and a number for each labeled anomaly. They are pool rows that stay in the
        pool whatever the other settings drop, and whose loss weighs 1 whatever lambda_n is.
    unlabeled_ratio : float
        Share, 0 to 1, of the rows without a label that is used, of normal rows and anomalies each.
    flipped_anomalies, flipped_normals : float
        Label errors, 0 to 1: the share of the labeled anomalies that are labeled normal, and the share of the normal
        training rows that are labeled anomalous.
    unseen_types : int
        Types of anomaly that the training part lacks, while the test part has all. Source: docs/methods.md § 3 and 11.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: StrictStr = Field(default="digits_3", min_length=1, max_length=4096)
    baseline: StrictStr = "DeepSAD"
    lambda_n: float | None = Field(default=None, ge=0, le=1)
    norm: StrictStr | None = None
    batch_size: int | None = Field(default=None, ge=1, le=65536)
    epochs: int | None = Field(default=None, ge=1, le=10000)
    learning_rate: float | None = Field(default=None, gt=0, le=1)
    labeled_ratio: Share = 0.1
    normal_ratio: Share = 1.0
    contamination: Literal["natural"] | Annotated[float, Field(ge=0, le=MAX_CONTAMINATION)] = "natural"
    preset: Preset = "paper"
    protocol: Protocol = "leak_free"
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    grad_direct: AnyShare = 1.0
    grad_variance: AnyShare = 1.0
    grad_mean: AnyShare = 1.0
    grad_place: Place = "all"
    norm_strength: float | None = Field(default=None, ge=0, le=1e6)
    labeled_anomalies: int | None = Field(default=None, ge=1, le=1_000_000)
    labeled_normals: int = Field(default=0, ge=0, le=1_000_000)
    labeled_normal_ratio: float = Field(default=0.0, ge=0, le=1000)
    unlabeled_ratio: AnyShare = 1.0
    flipped_anomalies: AnyShare = 0.0
    flipped_normals: AnyShare = 0.0
    unseen_types: int = Field(default=0, ge=0, le=1000)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_published_values(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        filled = {name: value for name, value in values.items() if value is not None}
        # An unknown name is reported by its field validator; default values let validation get that far.
        name = filled.get("baseline")
        baseline = BASELINES[name if isinstance(name, str) and name in BASELINES else "DeepSAD"]
        first = next(iter(baseline.settings))
        given = filled.setdefault("preset", first)
        preset = given if isinstance(given, str) and given in baseline.settings else first
        settings = baseline.settings[preset]
        if baseline.norms is not None:
            lambda_n = filled.setdefault("lambda_n", 1.0)
            filled.setdefault("norm", baseline.paired_norm(_number(lambda_n), preset))
        for setting in ("batch_size", "epochs", "learning_rate"):
            filled.setdefault(setting, getattr(settings, setting))
        dial = _dial(filled.get("norm"))
        if dial is not None and _number(filled.get("norm_strength")) == dial.standard:
            del filled["norm_strength"]  # one key for one computation
        if filled.get("grad_place") in get_args(Place) and (
            baseline.norm_places < 2 or all(_number(filled.get(share, 1)) == 1 for share in GRADIENT_SHARES)
        ):
            del filled["grad_place"]
        return filled

    @field_validator("baseline")
    @classmethod
    def _known_baseline(cls, name: str) -> str:
        if name not in BASELINES:
            raise ValueError("unknown baseline")
        return name

    @field_validator("norm")
    @classmethod
    def _known_norm(cls, name: str | None) -> str | None:
        if name is not None and name not in MECHANISMS:
            raise ValueError("unknown norm")
        return name

    @field_validator(
        *("lambda_n", "contamination", "norm_strength", "labeled_normal_ratio", "unlabeled_ratio"),
        *("flipped_anomalies", "flipped_normals", *GRADIENT_SHARES),
    )
    @classmethod
    def _drop_sign_of_zero(cls, value: float | str | None) -> float | str | None:
        return value + 0.0 if isinstance(value, float) else value  # -0.0 and 0 must have one key

    @model_validator(mode="after")
    def _check_baseline(self) -> RunConfig:
        baseline = BASELINES[self.baseline]
        for setting in _OPTIONAL_SETTINGS:
            if getattr(self, setting) is not None and not baseline.has(setting):
                raise _misfit(f"{self.baseline} has no {setting}: leave it out.")
        if self.norm not in BATCH_NORMS:
            for setting, share in zip(GRADIENT_SHARES, self.gradient_shares, strict=True):
                if share != 1:
                    raise _misfit(f"{setting} scales the gradient of batch norm: choose a batch norm or leave it at 1.")
        if self.norm_strength is not None:
            dial = _dial(self.norm)
            if dial is None:
                raise _misfit(f"norm_strength must be left out beside {self.norm or self.baseline}, which has no dial.")
            if not dial.low <= self.norm_strength <= dial.high:
                raise _misfit(f"norm_strength must be {dial.rule} for {self.norm}, not {self.norm_strength:g}.")
        if self.preset not in baseline.settings:
            raise _misfit(f"{self.baseline} has no preset {self.preset!r}, only {' and '.join(baseline.settings)}.")
        if self.batch_size is not None and self.batch_size < baseline.smallest_batch:
            raise _misfit(
                f"batch_size must be {baseline.smallest_batch} or more for {self.baseline}, which draws a fixed share "
                f"of labeled anomalies, not {self.batch_size}."
            )
        return self

    @model_validator(mode="after")
    def _check_labels(self) -> RunConfig:
        if self.labeled_anomalies is not None and self.labeled_ratio != RunConfig.model_fields["labeled_ratio"].default:
            raise _misfit("labeled_anomalies is the number of labels and labeled_ratio their share: give one of them.")
        if self.unlabeled_ratio == 0 and not (self.labeled_normals or self.labeled_normal_ratio):
            raise _misfit(
                "unlabeled_ratio 0 leaves no normal row: give a larger share, labeled_normals or labeled_normal_ratio."
            )
        return self

    def with_(self, **changes: Any) -> RunConfig:
        """Return a copy with some settings changed, by name, and validated; raise InvalidConfig if one is invalid."""
        return make_config(**{**self.model_dump(), **changes})

    def as_published(self, *settings: str) -> RunConfig:
        """Return a copy with these settings, given by name, reset to their published values.

        With "norm", the settings of the norm are reset, too: its gradient shares and its strength.
        """
        of_norm = NORM_SETTINGS if "norm" in settings else ()
        return self.with_(**dict.fromkeys((*settings, *of_norm)))

    @property
    def gradient_shares(self) -> tuple[float, float, float]:
        """Shares (grad_direct, grad_variance, grad_mean) of the gradient of batch norm that are let through."""
        return self.grad_direct, self.grad_variance, self.grad_mean

    @property
    def weighs_known_normals(self) -> bool:
        """True if rows known to be normal have another weight than the pool: there are such rows, and λ_n is below 1.

        Source: docs/methods.md § 3.
        """
        has_known = bool(self.labeled_normals or self.labeled_normal_ratio)
        return has_known and self.lambda_n is not None and self.lambda_n < 1

    @property
    def strength(self) -> float | None:
        """Strength of the norm, the given one or the standard one; None for a norm without a dial."""
        dial = _dial(self.norm)
        return dial.standard if dial is not None and self.norm_strength is None else self.norm_strength

    def canonical(self) -> str:
        """Serialize to one line of JSON; equal configs give equal text.

        Settings that came later are left out at their default, so that the keys of such runs are those of the versions
        before the settings existed.
        """
        left_out = set(self.defaults_among(LATER_SETTINGS))
        return json.dumps(self.model_dump(mode="json", exclude=left_out), sort_keys=True)

    def defaults_among(self, names: Iterable[str]) -> list[str]:
        """Return those of the settings with these names that are at their default."""
        return [name for name in names if getattr(self, name) == RunConfig.model_fields[name].default]


_OPTIONAL_SETTINGS = ("lambda_n", "norm", "batch_size", "epochs", "learning_rate")
_MISFIT = "misfit"


def _misfit(sentence: str) -> PydanticCustomError:
    # Passed as a value, since pydantic would format braces in a template.
    return PydanticCustomError(_MISFIT, "{sentence}", {"sentence": sentence})


def _dial(norm: Any) -> Dial | None:
    return MECHANISMS[norm].dial if isinstance(norm, str) and norm in MECHANISMS else None


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def make_config(**values: Any) -> RunConfig:
    """Validate settings and fill in the published values.

    Parameters
    ----------
    **values
        Fields of `RunConfig` by name. None means "as published".

    Returns
    -------
    RunConfig
        The complete settings.

    Raises
    ------
    InvalidConfig
        With one sentence about the first invalid setting.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        detail = error.errors()[0]
        name = str(detail["loc"][0]) if detail["loc"] else "config"
        if detail["type"] == _MISFIT:
            raise InvalidConfig(detail["msg"]) from error
        if detail["type"] == "extra_forbidden":
            hint = did_you_mean(name[:60], RunConfig.model_fields)
            raise InvalidConfig(f"There is no setting called {name!r}{hint or '.'}") from error
        raise InvalidConfig(_sentence(name, values.get(name))) from error


def check_field(name: str, value: Any) -> Any:
    """Validate the value of one setting and return it as a RunConfig stores it.

    Parameters
    ----------
    name
        Name of the setting.
    value
        Value of any type; other settings have values that allow it.

    Raises
    ------
    InvalidConfig
        If the value is invalid.
    """
    with_it: dict[str, Any] = {"norm": "batch"} if name in (*GRADIENT_SHARES, GRADIENT_PLACE) else {}
    if name == GRADIENT_PLACE:  # it is stored where it has an effect
        with_it["grad_mean"] = 0.5
    if name == "norm_strength":  # bn_loss has the widest dial; its standard strength is stored as None
        return make_config(norm="bn_loss", norm_strength=value).strength
    if name == "unlabeled_ratio":
        with_it["labeled_normals"] = 1
    if name == "preset":
        with_it["baseline"] = next((each.name for each in BASELINES.values() if str(value) in each.settings), None)
    return getattr(make_config(**{name: value, **with_it}), name)


def _sentence(name: str, value: Any) -> str:
    text = " ".join(repr(value).splitlines())
    text = text if len(text) <= 60 else text[:57] + "..."
    sentence = f"{name} must be {RULES.get(name, 'another value')}, not {text}"
    hint = did_you_mean(value[:60], _WORDS.get(name, ())) if isinstance(value, str) else ""
    return f"{sentence}{hint or '.'}"
