"""The death of a worker process: its reason from the exit code, as a sentence to print."""

from __future__ import annotations

import signal

from anoonly_core.errors import AnoOnlyError

__all__ = ["WorkerDied", "died_of", "start_failure"]

MAX_REASON = 200  # letters of an error in a sentence
CRASHES = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT")
FIRST_STATUS = 0xC0000000  # exit codes from here on are NTSTATUS codes of Windows


class WorkerDied(Exception):
    """A worker process ended before its call was finished.

    Parameters
    ----------
    cause
        The end of a sentence that begins with "The worker process", such as "exited with code 3".
    advice
        The next step, such as "try again".
    suspicion
        A cause that is likely but not certain; "" if there is none.
    """

    def __init__(self, cause: str = "ended", advice: str = "try again", suspicion: str = "") -> None:
        super().__init__(cause, advice, suspicion)
        self.cause, self.advice, self.suspicion = cause, advice, suspicion

    def __str__(self) -> str:
        return self.sentence()

    def sentence(self, attempts: str = "") -> str:
        """Return one sentence with the cause, the suspicion and the advice.

        Parameters
        ----------
        attempts
            Phrase to follow the cause, such as "on every attempt"; "" for none.
        """
        cause = " ".join(filter(None, (self.cause, attempts)))
        suspicion = f", {self.suspicion}" if self.suspicion else ""
        return f"The worker process {cause}{suspicion}: {self.advice}."


def died_of(exit_code: int | None) -> tuple[str, str, str]:
    """Describe the end of a process as (cause, advice, suspicion), the arguments of `WorkerDied`.

    Parameters
    ----------
    exit_code
        As of multiprocessing: a negative number is a signal; None if the process did not end.
    """
    if exit_code is None:
        return "stopped answering", "try again", ""
    if exit_code < 0:
        name = _signal_name(-exit_code)
        if name == "SIGKILL":
            return "was killed by SIGKILL", "see the kernel log, then try again", "possibly out of memory"
        if name in CRASHES:
            return f"crashed with {name}", "see the log, then try again", ""
        return f"was ended by {name}", "try again", ""
    code = f"{exit_code:#x}" if exit_code >= FIRST_STATUS else str(exit_code)
    return f"exited with code {code}", "see the log, then try again", ""


def start_failure(error: BaseException) -> str:
    """Describe an error that kept a process from starting: one line, at most 200 letters, without a final period."""
    text = " ".join(str(error.strerror if isinstance(error, OSError) and error.strerror else error).split())
    if not isinstance(error, AnoOnlyError | OSError) or not text:
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text[:MAX_REASON].rstrip(".")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
