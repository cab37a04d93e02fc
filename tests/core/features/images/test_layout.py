"""Folders as labels: subfolders, parts such as train and test, and the layout of MVTec AD."""

from __future__ import annotations

import pytest

from anoonly_core.features.images.layout import find_layout

MVTEC = (
    *("train/good/000.png", "train/good/001.png", "test/good/000.png", "test/broken_large/000.png"),
    *(
        "test/contamination/000.png",
        "ground_truth/broken_large/000_mask.png",
        "ground_truth/contamination/000_mask.png",
    ),
)
MVTEC_LABELS = ("good", "good", "good", "broken_large", "contamination")


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("cat/1.png", "dog/1.png"), ("cat", "dog")),
        (("photos/cat/1.png", "photos/dog/1.png"), ("cat", "dog")),  # a folder around all of them
        (("a/b/cat/x/1.png", "a/b/dog/y/z/2.png"), ("cat", "dog")),  # folders below a label
        (("1.png", "2.png"), None),
        (("photos/1.png", "photos/2.png"), None),
        (("cat/1.png", "2.png"), ("cat", "")),
        (("train/cat/1.png", "test/dog/2.png"), ("cat", "dog")),
        (("Train/cat/1.png", "VAL/dog/2.png", "Test/3.png"), ("cat", "dog", "")),
        (("train/1.png", "test/2.png"), ("train", "test")),  # nothing else can be the label
        (("x/train/cat/1.png", "x/test/dog/2.png"), ("cat", "dog")),
        (("cat/1.png", "train/2.png"), ("cat", "train")),  # things that are called so
        ((), None),
    ],
)
def test_labels_are_the_names_of_folders(names: tuple[str, ...], labels: tuple[str, ...] | None) -> None:
    layout = find_layout(names, "photos")
    assert layout.labels == labels and layout.rows == tuple(range(len(names)))


def test_images_without_a_label_are_counted() -> None:
    assert find_layout(("cat/1.png", "2.png", "3.png"), "photos").label_notes == (
        "Images of photos without a label, since no folder names one: 2.",
    )


@pytest.mark.parametrize("above", ["", "bottle/", "mvtec/bottle/"])
def test_a_category_of_mvtec_ad_is_understood(above: str) -> None:
    layout = find_layout([f"{above}{name}" for name in MVTEC], "bottle")
    assert layout.rows == (0, 1, 2, 3, 4) and layout.labels == MVTEC_LABELS
    assert layout.notes == (
        "The parts test, train of bottle are taken together and split anew, since train holds no anomaly that could be "
        "labeled.",
        "2 masks in folders called ground_truth of bottle are no rows.",
    )
    assert layout.label_notes == ('As in MVTec AD, the images called "good" are normal and all others are defects.',)


def test_categories_of_mvtec_ad_are_taken_together_and_said() -> None:
    names = [f"mvtec/{category}/{name}" for category in ("bottle", "cable") for name in MVTEC]
    layout = find_layout(names, "mvtec")
    assert layout.labels == MVTEC_LABELS * 2 and len(layout.rows) == 10
    assert "2 categories of mvtec, such as bottle, are taken together: choose the folder of one to see it alone." in (
        layout.notes
    )


def test_names_in_sentences_are_printable() -> None:
    names = [f"{category}/{part}/good/0.png" for category in ("\x1b[31mred", "z") for part in ("train", "test")]
    assert all(note.isprintable() for note in find_layout(names, "photos").notes)


def test_masks_are_no_rows_where_no_part_has_them_as_a_class() -> None:
    names = ("good/1.png", "ground_truth/2.png")  # no part beside it, so it is a label like any other
    assert find_layout(names, "photos").labels == ("good", "ground_truth")


def test_the_test_part_alone_has_its_defects_as_labels() -> None:
    layout = find_layout(("bottle/test/good/1.png", "bottle/test/broken/1.png"), "bottle")
    assert layout.labels == ("good", "broken") and not layout.notes


def test_the_case_of_the_folder_of_masks_does_not_matter() -> None:
    layout = find_layout(("train/good/0.png", "test/crack/0.png", "Ground_Truth/crack/0_mask.png"), "photos")
    assert layout.rows == (0, 1) and layout.labels == ("good", "crack")
