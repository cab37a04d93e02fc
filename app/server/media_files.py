"""Files that are taken away stay for a minute after nobody refers to them.

Streamlit forgets a file that is made on a click at the second drawing of any session's after it, which with others on
the server is sooner than a browser on a slow network asks for it.
"""

from __future__ import annotations

import time

from streamlit.runtime.media_file_manager import MediaFileMetadata

__all__ = ["DELETION_DELAY_S", "delay_file_deletion"]

DELETION_DELAY_S = 60.0


def delay_file_deletion(seconds: float = DELETION_DELAY_S) -> None:
    """Let each file stay for so many seconds after it was first found that nobody refers to it."""

    def mark(file: MediaFileMetadata) -> None:
        if not hasattr(file, "kept_until"):
            file.kept_until = time.monotonic() + seconds  # type: ignore[attr-defined]

    def is_due(file: MediaFileMetadata) -> bool:
        return time.monotonic() >= getattr(file, "kept_until", float("inf"))

    MediaFileMetadata.mark_for_delete = mark  # type: ignore[method-assign, assignment]
    MediaFileMetadata.is_marked_for_delete = property(is_due)  # type: ignore[method-assign, assignment]
