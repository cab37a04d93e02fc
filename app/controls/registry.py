"""The settings of a run as the page offers them: each control is declared once, in CONTROLS.

The sidebar, the URL and the notices about a bad link are all made from that declaration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anoonly_core.baselines import BASELINES, NORM_LABELS
from anoonly_core.config import check_field
from anoonly_core.data.catalogue import DATASETS
from anoonly_core.data.tables.uploads import is_upload_name
from anoonly_core.errors import InvalidConfig
from app.server.table_owners import visible_uploads

__all__ = ["CONTROLS", "CONTROL_OF", "PUBLISHED", "Control"]

PUBLISHED = "published"


@dataclass(frozen=True)
class Control:
    """One setting on the page.

    name: the config's field and the URL's parameter. options: what it offers; PUBLISHED leaves the
    choice to the baseline and preset. slider: whether it is dragged or chosen from a list. more: kept
    under "more". noun: what a baseline without this setting does not have.
    """

    name: str
    label: str
    options: tuple[Any, ...]
    default: Any
    help: str
    slider: bool = False
    more: bool = False
    noun: str = ""

    def offered(self) -> tuple[Any, ...]:
        """What it offers to whoever looks at the page now."""
        return self.options

    def parse(self, text: str) -> Any:
        """The value that a link's text means; raises InvalidConfig with one sentence."""
        if PUBLISHED in self.options and text == PUBLISHED:
            return PUBLISHED
        return check_field(self.name, text)


class _DatasetControl(Control):
    def offered(self) -> tuple[Any, ...]:
        return (*(table.name for table in visible_uploads() if table.can_be_tested), *self.options)

    def parse(self, text: str) -> Any:
        if text in self.offered():
            return text
        if is_upload_name(text):
            raise InvalidConfig(
                f"dataset is a table that is not here any more, is another browser's, or has no labels: {text}. "
                "Bring its file on the page Your table."
            )
        raise InvalidConfig(f"dataset must be a name from the catalogue, not {text[:60]!r}.")


class _SeedsControl(Control):
    def parse(self, text: str) -> Any:
        if text not in map(str, self.options):
            raise InvalidConfig(f"seeds must be a whole number from 1 to {self.options[-1]}, not {text[:60]!r}.")
        return int(text)


CONTROLS: tuple[Control, ...] = (
    _DatasetControl(
        "dataset",
        "Data set",
        tuple(DATASETS),
        "digits_3",
        "digits_k: digit k is the anomaly, the other digits are normal. All 195 ADBench files by name. own_…: a table "
        "of yours, from the page Your table.",
    ),
    Control("baseline", "Baseline", tuple(BASELINES), "DeepSAD", "The published system that B is, or builds on."),
    Control(
        "lambda_n",
        "λₙ, weight of the loss on the pool",
        (1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 0.0),
        0.0,
        "1 is the published baseline. 0 is AnoOnly: only labeled anomalies carry a loss.",
        slider=True,
        noun="λₙ",
    ),
    Control(
        "norm",
        "Norm",
        (PUBLISHED, *NORM_LABELS),
        PUBLISHED,
        "What stands at the norm's place in the network, which the tab The method shows. "
        "Published: what the preset pairs with this baseline and λₙ.",
        noun="norm to choose",
    ),
    Control(
        "batch_size",
        "Batch size",
        (PUBLISHED, *(2**power for power in range(10))),
        PUBLISHED,
        "Rows in each training step (PReNet: pairs of rows; REPEN: triplets); "
        "batch norm takes its statistics from them.",
        noun="batches",
    ),
    Control(
        "labeled_ratio",
        "Labeled anomalies (share of all in training)",
        (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0),
        0.1,
        "The anomalies whose label training sees, at least one.",
        slider=True,
    ),
    Control(
        "contamination",
        "Contamination (anomalies in the pool)",
        ("natural", 0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        "natural",
        "The share of the pool that is anomalous without anybody knowing. natural: all unlabeled anomalies stay. "
        "Not a score threshold (PyOD) and not flipped labels (ADBench).",
    ),
    _SeedsControl(
        "seeds",
        "Seeds",
        tuple(range(1, 11)),
        5,
        "How many runs each figure stands on. Seed by seed A and B share the split, and where they differ in λₙ or "
        "norm alone also the first weights and the batches.",
    ),
    Control(
        "normal_ratio",
        "Normal rows kept (share of the pool's)",
        (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.75, 1.0),
        1.0,
        "What if there were fewer normal rows?",
        slider=True,
        more=True,
    ),
    Control(
        "epochs",
        "Epochs",
        (PUBLISHED, 1, 5, 10, 20, 50, 100, 200, 500),
        PUBLISHED,
        "How long to train.",
        more=True,
        noun="epochs",
    ),
    Control(
        "learning_rate",
        "Learning rate",
        (PUBLISHED, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        PUBLISHED,
        "How far each training step moves the weights; the first step's, where the published code lets it fall.",
        more=True,
        noun="learning rate",
    ),
    Control(
        "preset",
        "Preset",
        ("paper", "published_code"),
        "paper",
        "Whose settings \u201cpublished\u201d means: the paper's text, or what its code really does.",
        more=True,
        noun="second preset",
    ),
    Control(
        "protocol",
        "Protocol",
        ("leak_free", "published"),
        "leak_free",
        "published: sets under 1000 rows are resampled before the split, as in the paper, "
        "so that test rows are copies of training rows.",
        more=True,
    ),
    Control("seed", "First seed", tuple(range(10)), 0, "The seed whose rows are drawn below.", more=True),
)

CONTROL_OF = {control.name: control for control in CONTROLS}
