"""Progress bars of commands, drawn on a terminal."""

from __future__ import annotations

import io

import pytest

from anoonly_core.cli.progress import progress_bar


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
