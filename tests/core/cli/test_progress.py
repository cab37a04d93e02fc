"""Progress bars of commands, and downloads with one."""

from __future__ import annotations

import io

import pytest

from anoonly_core.cli import progress
from anoonly_core.cli.progress import progress_bar
from anoonly_core.data.adbench.download import ByteProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_moves_and_starts_again_for_the_next_stage() -> None:
    terminal = Terminal()
    with progress_bar("epoch", file=terminal, mininterval=0, miniters=1) as show:
        show(0, None)
        show(3, 4)
        assert "3/4" in terminal.getvalue()
        show(1, 2)
        assert "1/2" in terminal.getvalue()
    assert terminal.getvalue().endswith("\n")


def test_nothing_is_drawn_if_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("epoch") as show:
        for done in (1, 4, 2):
            show(done, 4)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("is_local", [True, False])
def test_a_data_set_is_downloaded_if_it_is_missing(monkeypatch: pytest.MonkeyPatch, is_local: bool) -> None:
    class Entry:
        name = "6_cardio"
        loads = 0

        def is_local(self) -> bool:
            return is_local

        def load(self, progress: ByteProgress) -> None:
            self.loads += 1
            progress(3, None)
            progress(7, 7)

    entry = Entry()
    monkeypatch.setattr(progress, "resolve", {"6_cardio": entry}.__getitem__)
    progress.download("6_cardio")
    assert entry.loads == (not is_local)
