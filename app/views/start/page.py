"""Start: what AnoOnly is, a picture of the method that follows λ_n, four answers, and three ways into the app."""

from __future__ import annotations

import streamlit as st

from ...controls.page_address import PageAddress, register
from ...controls.parameters import Parameter
from ...controls.registry import CONTROL_OF
from ...navigation import PAGES, draw_page_link, open_page
from ...text.citations import ANOONLY
from ...text.glossary import GLOSSARY
from ...text.labels import format_value
from ...text.questions import QUESTIONS
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
# Title, and the pages that the door opens.
DOORS = (
    ("Learn", ("lessons", "microscope")),
    ("Explore", ("compare", "sweep")),
    ("Your data", ("your_table", "label")),
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
    left, right = st.columns(2, gap="medium", vertical_alignment="center")
    with right:
        weight = st.select_slider(
            "λₙ, weight of the loss on the pool: 1 baseline … 0 AnoOnly",
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
    _draw_questions()
    _draw_doors()


def _draw_questions() -> None:
    """Draw the questions of a newcomer as cards: each with its answer, and a button to the page that shows it."""
    for column, question in zip(st.columns(len(QUESTIONS)), QUESTIONS, strict=True):
        with column.container(border=True, height="stretch", key=f"question_{question.name}"):
            if st.button(
                f"**{question.question}**",
                type="tertiary",
                icon=PAGES[question.page].icon,
                key=f"ask_{question.name}",
                help=f"Opens {PAGES[question.page].title} with this result; nothing is trained.",
            ):
                open_page(question.page, question.parameters)
            st.markdown(question.answer)


def _draw_doors() -> None:
    """Draw the three ways into the app, each with its pages, and the glossary."""
    *doors, last = st.columns([*(2 for _ in DOORS), 1], vertical_alignment="center")
    for column, (title, names) in zip(doors, DOORS, strict=True):
        with column.container(key=f"door_{names[0]}", horizontal=True, vertical_alignment="center", gap="xxsmall"):
            st.markdown(f"**{title}**")
            for name in names:
                draw_page_link(name, f"{PAGES[name].title}")
    with last.container(key="glossary"), st.popover("Glossary", icon=":material/book_2:", width="stretch"):
        st.caption("A word with a dotted line is explained where it first stands on a page: point at it, or press Tab.")
        st.markdown("  \n".join(f"**{term.name}**: {term.meaning}" for term in GLOSSARY))
