"""Start: what AnoOnly is, a picture of the method that follows λ_n, and three ways into the app."""

from __future__ import annotations

import streamlit as st

from ...controls.page_address import PageAddress, register
from ...controls.parameters import Parameter
from ...controls.registry import CONTROL_OF
from ...navigation import PAGES, draw_page_link
from ...text.citations import ANOONLY
from ...text.glossary import GLOSSARY
from ...text.labels import format_value
from ...widgets.component import component
from ...widgets.session import begin_page
from .picture import TIES, explain, method_picture

__all__ = ["page"]

WEIGHT = Parameter("weight", CONTROL_OF["lambda_n"].options, 0.0)
TIE = Parameter("tie", tuple(TIES.values()), TIES[True])
ADDRESS = register(PageAddress("start", (WEIGHT, TIE), bound=False, prefix="start_"))

INTRODUCTION = (
    "**AnoOnly trains an anomaly detector with a loss on the labeled anomalies only.** "
    "All other rows, an unlabeled pool that is mostly normal, have no loss: batch norm supervises them weakly, because "
    "it ties the rows of a batch to each other. "
    "This app trains AnoOnly beside its baselines on your machine, and shows where it helps and where it hurts."
)
SOURCE = (
    f"The method: {', '.join(ANOONLY.authors)}, [*{ANOONLY.title}*]({ANOONLY.url}), {ANOONLY.year}, "
    f"arXiv {ANOONLY.arxiv}. “The paper” on all pages. This app is independent of its authors."
)
# Title, sentence, and the pages that the door opens.
DOORS = (
    (
        "Learn",
        "Predict an outcome, train the runs, read why: eleven short lessons.",
        ("lessons", "microscope"),
    ),
    ("Explore", "Move one control, and watch scores and curves change.", ("compare", "sweep")),
    ("Your data", "Upload a table, labeled or not, and try it there.", ("your_table", "label")),
)


def page() -> None:
    """Draw the page Start; Streamlit calls this on every change of a control.

    The page trains nothing: the picture is drawn from the two controls alone.
    """
    begin_page()
    ADDRESS.arrive()
    ADDRESS.draw_notices()
    with st.container(key="page_tools", horizontal=True):
        st.html('<button type="button" class="tour-start">Tour, 60 seconds</button>')
    st.markdown(INTRODUCTION)
    st.caption(SOURCE)
    left, right = st.columns([1.25, 1], gap="medium", vertical_alignment="center")
    with right:
        weight = st.select_slider(
            "λₙ, weight of the loss on the pool",
            WEIGHT.options,
            format_func=format_value,
            key=ADDRESS.begin("weight"),
            help="Moves the picture only. 1 is the published baseline, 0 is AnoOnly.",
        )
        tie = st.segmented_control(
            "Norm of the network",
            TIE.options,
            required=True,
            key=ADDRESS.begin("tie"),
            help="The layer between the layers of the network that may tie the rows of a batch.",
        )
        tie = tie or ADDRESS.linked("tie")  # the browser has not answered yet
        st.markdown(explain(weight, tie == TIES[True]))
    with left:
        component("method")(key="method", data={"svg": method_picture(weight, tie == TIES[True])})
    ADDRESS.write({"weight": weight, "tie": tie})
    for column, (title, sentence, names) in zip(st.columns(len(DOORS)), DOORS, strict=True):
        with column.container(border=True, key=f"door_{names[0]}"):
            st.markdown(f"**{title}.** {sentence}")
            with st.container(horizontal=True):
                for name in names:
                    draw_page_link(name, f"{PAGES[name].title}")
    with st.expander("Glossary", key="glossary"):
        st.caption("A word with a dotted line is explained where it first stands on a page: point at it, or press Tab.")
        half = -(-len(GLOSSARY) // 2)
        for column, terms in zip(st.columns(2), (GLOSSARY[:half], GLOSSARY[half:]), strict=True):
            column.markdown("  \n".join(f"**{term.name}**: {term.meaning}" for term in terms))
