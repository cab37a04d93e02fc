"""Files that are taken away: still there when a slow browser asks, gone after that."""

from __future__ import annotations

import pytest
from streamlit.runtime.media_file_manager import MediaFileManager, MediaFileMetadata
from streamlit.runtime.media_file_storage import MediaFileStorageError
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from app.server import media_files
from app.server.media_files import delay_file_deletion

CONTENT = b"row,score\n"


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> MemoryMediaFileStorage:
    for name in ("mark_for_delete", "is_marked_for_delete"):
        monkeypatch.setattr(MediaFileMetadata, name, getattr(MediaFileMetadata, name))
    return MemoryMediaFileStorage("/media")


def made_on_a_click(storage: MemoryMediaFileStorage) -> tuple[MediaFileManager, str]:
    files = MediaFileManager(storage)
    number = files.add_deferred(lambda: CONTENT, "text/csv", "button", "scores.csv")
    return files, files.execute_deferred(number).rpartition("/")[2]


def test_it_is_there_after_many_drawings_of_others_and_gone_in_the_end(
    storage: MemoryMediaFileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(media_files.time, "monotonic", lambda: now[0])
    delay_file_deletion(60.0)
    files, name = made_on_a_click(storage)
    for _ in range(20):
        files.remove_orphaned_files()
        now[0] += 2
    assert storage.get_file(name).content == CONTENT
    now[0] = 161.0
    files.remove_orphaned_files()
    with pytest.raises(MediaFileStorageError):
        storage.get_file(name)


def test_streamlit_itself_forgets_it_at_once(storage: MemoryMediaFileStorage) -> None:
    files, name = made_on_a_click(storage)
    files.remove_orphaned_files()
    files.remove_orphaned_files()
    with pytest.raises(MediaFileStorageError):
        storage.get_file(name)
