"""The papers whose methods the pages show."""

from __future__ import annotations

import html
from dataclasses import dataclass

__all__ = ["ACR", "ANOONLY", "LLBNAD", "Citation"]


@dataclass(frozen=True)
class Citation:
    """A paper on arXiv.

    Parameters
    ----------
    authors : tuple of str
        Full names, in the order of the paper.
    title : str
        The title of its latest version.
    year : int
        The year of its first version.
    arxiv : str
        The identifier, such as "2305.18798".
    """

    authors: tuple[str, ...]
    title: str
    year: int
    arxiv: str

    @property
    def url(self) -> str:
        """The URL of the paper's abstract on arXiv."""
        return f"https://arxiv.org/abs/{self.arxiv}"

    @property
    def short(self) -> str:
        """The citation with the first author's last name, such as "Zhou et al. 2023, arXiv 2305.18798"."""
        return f"{self.authors[0].split()[-1]} et al. {self.year}, arXiv {self.arxiv}"

    @property
    def full(self) -> str:
        """The citation with all authors, the title, the year and the arXiv identifier."""
        return f"{', '.join(self.authors)}: {self.title}. {self.year}, arXiv {self.arxiv}."

    @property
    def link(self) -> str:
        """The short citation as an HTML link to the abstract, with the full citation as its tooltip."""
        return (
            f'<a href="{self.url}" target="_blank" rel="noopener" title="{html.escape(self.full)}">'
            f"{html.escape(self.short)}</a>"
        )


ANOONLY = Citation(
    ("Yixuan Zhou", "Peiyu Yang", "Yi Qu", "Xing Xu", "Zhe Sun", "Andrzej Cichocki"),
    "AnoOnly: Semi-Supervised Anomaly Detection with the Only Loss on Anomalies",
    2023,
    "2305.18798",
)
ACR = Citation(
    ("Aodong Li", "Chen Qiu", "Marius Kloft", "Padhraic Smyth", "Maja Rudolph", "Stephan Mandt"),
    "Zero-Shot Anomaly Detection via Batch Normalization",
    2023,
    "2302.07849",
)
LLBNAD = Citation(
    ("Yuxin Zhang", "Yunkang Cao", "Yuqi Cheng", "Yihan Sun", "Weiming Shen"),
    "Leveraging Learning Bias for Noisy Anomaly Detection",
    2025,
    "2508.07441",
)
