"""Delayed deletion of downloads, for browsers on slow networks.

Streamlit deletes a file that a click made at the second page run of any session afterwards. With other sessions on
the server, that may be before the browser requests the file.
"""

from __future__ import annotations

import time

from streamlit.runtime.media_file_manager import MediaFileMetadata

__all__ = ["DELETION_DELAY_S", "delay_file_deletion"]

DELETION_DELAY_S = 60.0


def delay_file_deletion(seconds: float = DELETION_DELAY_S) -> None:
    """Patch Streamlit so that a file for download is deleted `seconds` after it was first due for deletion."""

    def mark(file: MediaFileMetadata) -> None:
        if not hasattr(file, "kept_until"):
            file.kept_until = time.monotonic() + seconds  # type: ignore[attr-defined]

    def is_due(file: MediaFileMetadata) -> bool:
        return time.monotonic() >= getattr(file, "kept_until", float("inf"))

    MediaFileMetadata.mark_for_delete = mark  # type: ignore[method-assign, assignment]
    MediaFileMetadata.is_marked_for_delete = property(is_due)  # type: ignore[method-assign, assignment]
