"""Mechanisms from files: the example of the docs, and those with a fault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from anoonly_core.baselines import MECHANISMS, mechanisms
from anoonly_core.cli import weak_supervision
from anoonly_core.cli.main import main
from anoonly_core.errors import InvalidConfig
from anoonly_core.models import norms
from anoonly_core.models.norms import NORMS
from anoonly_core.weak_supervision.contract import failed_checks
from anoonly_core.weak_supervision.plugin import checked_plugin, load_plugin
from tests.core.cli.test_weak_supervision import InThisProcess

DOCS = Path(__file__).parents[3] / "docs" / "challenge.md"
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture(autouse=True)
def forget_plugins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    built_in = set(MECHANISMS)
    yield
    for name in set(MECHANISMS) - built_in:
        for registry in (mechanisms._mechanisms, mechanisms._labels, norms._norms):
            del registry[name]  # type: ignore[attr-defined]


def written(body: str, source: str = EXAMPLE) -> Path:
    """Write a plug-in whose class has another body behind its mechanism."""
    path = Path("my_norm.py")
    head = source.partition("    def statistics")[0]
    path.write_text(head + "\n".join(f"    {line}" for line in body.splitlines()) + "\n", encoding="utf-8")
    return path


def test_the_example_of_the_docs_passes_and_is_about_twenty_lines() -> None:
    assert len(EXAMPLE.splitlines()) <= 22
    Path("my_norm.py").write_text(EXAMPLE, encoding="utf-8")
    assert checked_plugin("my_norm.py") == "mean_norm"
    assert "mean_norm" in MECHANISMS and NORMS["mean_norm"].__name__ == "MeanNorm"
    assert load_plugin("my_norm.py") == "mean_norm"  # a worker process loads it again


def test_the_command_of_the_docs_ranks_it_among_the_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def workers(options: Any) -> Iterator[InThisProcess]:
        yield InThisProcess()

    monkeypatch.setattr(weak_supervision, "open_workers", workers)
    Path("my_norm.py").write_text(EXAMPLE, encoding="utf-8")
    (command,) = re.findall(r"^    anoonly (sweep .*)$", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    words = command.replace("--epochs 10", "--epochs 1").split()
    assert main([*words, "--dataset", "breast_cancer"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("mean norm  ") == 2 * 2 and captured.out.count("ghost batch norm") == 2 * 5
    assert "my_norm.py passes the contract" in captured.err


FAULTS = [
    pytest.param(
        "def statistics(self, strength, h, labeled):\n"
        "    return h.mean(dim=(0, 1), keepdim=True), h.var(1, correction=0, keepdim=True), 1.0",
        "same bits alone and in a stack",
        id="runs mix",
    ),
    pytest.param(
        "def statistics(self, strength, h, labeled):\n"
        "    return h.mean(1, True), h.detach().var(1, correction=0, keepdim=True), 1.0",
        "gradient",
        id="a part of the gradient is cut",
    ),
    pytest.param(
        "def statistics(self, strength, h, labeled):\n    return h.mean(1, True), 0 / (h - h).sum(1, True), 1.0",
        "shape and finite values",
        id="division by zero",
    ),
    pytest.param(
        "def forward(self, h, labeled=None):\n    return h - h.mean(1, True) * (1 + self.strengths[0])",
        "each row alone at test time",
        id="test rows move each other",
    ),
    pytest.param(
        "seen = 0.0\n\ndef forward(self, h, labeled=None):\n"
        "    if self.training:\n        self.seen = h.detach().mean()\n    return h * self.strengths[0] - self.seen",
        "state",
        id="a statistic that no buffer holds",
    ),
    pytest.param(
        "def statistics(self, strength, h, labeled):\n    return weighted_statistics(h, None)",
        "dial",
        id="a dial without effect",
    ),
    pytest.param(
        "def statistics(self, strength, h, labeled):\n    raise RuntimeError('not today')",
        "shape and finite values",
        id="it raises",
    ),
]


@pytest.mark.parametrize(("body", "check"), FAULTS)
def test_a_faulty_mechanism_is_refused_by_the_check_that_it_fails(body: str, check: str) -> None:
    path = written(body)
    assert check in failed_checks(load_plugin(path))
    with pytest.raises(InvalidConfig, match=r"^my_norm\.py fails the check “") as caught:
        checked_plugin(path)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "must define one class with a mechanism, .* not 0"),
        (EXAMPLE + EXAMPLE.replace("class MeanNorm", "class Second"), "not 2"),
        ("def broken(:", "cannot be loaded: SyntaxError"),
        ("raise OSError(5, 'no disk')", "cannot be read"),
        ("import nothing_of_this_name", "cannot be loaded: ModuleNotFoundError"),
        (EXAMPLE.replace('"mean_norm"', '"ghost"'), "there is a mechanism called ghost already"),
        (EXAMPLE.replace('"mean_norm"', '"Mean norm"'), "lower-case"),
        (EXAMPLE.replace("levels=(0, 0.5)", "levels=(0.5,)"), "levels must ascend and hold"),
        (EXAMPLE.replace('source="my idea",', ""), "cannot be loaded: TypeError"),
    ],
)
def test_a_file_that_defines_no_mechanism_is_one_sentence(text: str, words: str) -> None:
    Path("my_norm.py").write_text(text, encoding="utf-8")
    before = dict(MECHANISMS)
    with pytest.raises(InvalidConfig, match=words) as caught:
        load_plugin("my_norm.py")
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    assert dict(MECHANISMS) == before
