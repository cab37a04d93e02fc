"""From images and texts to features on Your table: sentences, columns, and the step itself."""

from __future__ import annotations

import dataclasses
import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.profile import profile_table
from anoonly_core.features.encoders.registry import ENCODERS
from anoonly_core.features.raw_uploads import RawChoice, RawSurvey
from app.server import table_owners
from app.server.examples import example_zip
from app.server.table_owners import server_table_owners
from app.views.your_table.features import holds_only_texts, may_hold_texts
from app.views.your_table.text import ENCODER_SUMMARIES, encoder_text, found_sentence, rate_text, unusable_text
from tests.app.uploading import add_table, errors, upload
from tests.tables import cancer

pytestmark = pytest.mark.usefixtures("one_browser")
SURVEY = RawSurvey("text", 3, columns=("message",), label_columns=("kind",))


def mails(rows: int = 60) -> pd.DataFrame:
    texts = [f"the {'prize' if row % 5 == 0 else 'order'} number {row} is late" for row in range(rows)]
    return pd.DataFrame({"message": texts, "kind": ["spam", *["ham"] * 4] * (rows // 5)})


@pytest.mark.parametrize(
    ("done", "since_done", "since_s", "text"),
    [
        (0, 0, 0.0, "0 of 1,000 images"),
        (400, 300, 0.5, "400 of 1,000 images"),
        (400, 0, 20.0, "400 of 1,000 images"),
        (400, 300, 10.0, "400 of 1,000 images, 30 a second, about 20 s left"),
        (40, 4, 10.0, "40 of 1,000 images, 0.4 a second, about 40 min left"),
        (1000, 600, 2.0, "1,000 of 1,000 images, 300 a second, about 1 s left"),
    ],
)
def test_the_rate_is_that_of_the_time_at_work(done: int, since_done: int, since_s: float, text: str) -> None:
    assert rate_text("images", done, 1000, since_done, since_s) == text


@pytest.mark.parametrize(
    ("survey", "sentence"),
    [
        (RawSurvey("image", 1), "1 image without labels. Put them into one folder"),
        (RawSurvey("image", 9, {"": 9}), "9 images without labels."),
        (
            RawSurvey("image", 1200, {"good": 1000, "": 100, "b*d": 100}),
            "1,200 images, labels good (1,000), b\\*d (100).",
        ),
        (RawSurvey("image", 40, {"a": 30, "b": 9}, other_labels=1), "40 images, labels a (30), b (9) and 1 more."),
        (RawSurvey("text", 60, columns=("a_b", "c")), "60 rows, with texts in a\\_b, c."),
    ],
)
def test_the_headline_says_what_was_found(survey: RawSurvey, sentence: str) -> None:
    table = add_table(shown="parts.zip", content=b"")
    assert found_sentence(table, survey).startswith(f"parts\\.zip: {sentence}")


def test_encoders_say_what_they_are_and_what_they_lack() -> None:
    assert encoder_text(ENCODERS["pixels"]) == "The picture itself, small and gray; 1,024 features; no weights"
    assert "; 512 features; weights of 45 MB, BSD" in encoder_text(ENCODERS["resnet18"])
    assert encoder_text(dataclasses.replace(ENCODERS["pixels"], name="mine", dimension=None)) == "no weights"
    assert {*ENCODER_SUMMARIES} <= {*ENCODERS}
    assert unusable_text({"a": "its weights"}) == "Not usable here: a (its weights)."
    assert unusable_text({"a": "x", "b": "y", "c": "z"}).endswith("(x); nor b, c.")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (mails(), (True, True)),
        (mails().assign(number=range(60)), (True, True)),
        (mails().assign(size=np.linspace(0, 1, 60) ** 2), (True, False)),
        (
            pd.DataFrame({"message": ["これは長い文章であり空白がありません" + str(row) for row in range(60)]}),
            (True, True),
        ),
        (pd.DataFrame({"a": range(60), "word": ["red", "green", "blue"] * 20}), (False, False)),
        (cancer().iloc[:60], (False, False)),
    ],
)
def test_tables_of_texts_are_known_by_their_columns(table: pd.DataFrame, expected: tuple[bool, bool]) -> None:
    profile = profile_table(table)
    assert (may_hold_texts(profile), holds_only_texts(profile, SURVEY)) == expected


def test_the_example_is_an_archive_of_digits() -> None:
    with zipfile.ZipFile(io.BytesIO(example_zip())) as archive:
        names = archive.namelist()
        assert archive.read(names[3])[:4] == b"\x89PNG"
    assert len(names) == 1797 and names[3] == "digits/3/0003.png"


def test_texts_become_features_and_are_shown() -> None:
    page = upload(mails().to_csv(index=False).encode(), "mails.csv")
    assert page.markdown[0].value == "##### mails\\.csv: 60 rows, with texts in message."
    (raw,) = uploads.list_uploads("me")
    assert page.selectbox(key=f"{raw.name} text_label").value == "kind"
    page.radio(key=f"{raw.name} encoder").set_value("words").run()
    page.button(key=f"features {raw.name}").click().run(timeout=60)
    assert errors(page) == [] and len(page.exception) == 0
    made = next(table for table in uploads.list_uploads("me") if table != raw)
    assert page.session_state.own_table == made.name
    assert "mails message words\\.npz: 60 rows of " in page.markdown[0].value
    assert "12 anomalies, 20.0%" in page.markdown[0].value
    assert [*page.dataframe[0].value.columns[:2]] == ["its text", "its name"]
    page.pills(key="own_table").set_value(raw.name).run()
    page.radio(key=f"{raw.name} encoder").set_value("words").run()
    page.button(key=f"features {raw.name}").click().run()
    assert page.session_state.own_table == made.name and len(uploads.list_uploads("me")) == 2, "they are there already"
    server_table_owners().remove(made)
    page.run()
    page.radio(key=f"{raw.name} encoder").set_value("words").run()
    page.button(key=f"features {raw.name}").click().run(timeout=60)
    assert len(uploads.list_uploads("me")) == 2 and uploads.find(made.name) is None
    page.pills(key="own_table").set_value(raw.name).run()
    page.segmented_control(key=f"{raw.name} use").set_value("columns").run()
    assert "60 rows of" in page.markdown[0].value and errors(page) == []


def test_stopped_features_go_on() -> None:
    page = upload(mails().to_csv(index=False).encode(), "mails.csv")
    (raw,) = uploads.list_uploads("me")
    page.radio(key=f"{raw.name} encoder").set_value("words").run()
    key = f"features {raw.name} {RawChoice('words', 'message', 'kind')} {table_owners.owner()}"
    page.session_state["features_asked"] = page.session_state["canceled_result"] = key
    page.run()
    assert [warning.value for warning in page.warning] == ["Stopped. What is done is kept."]
    assert not page.button(key=f"features {raw.name}").disabled and len(uploads.list_uploads("me")) == 1
    page.button(key="features_again").click().run(timeout=60)
    assert "60 rows of " in page.markdown[0].value
