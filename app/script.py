"""The script that Streamlit runs for each session: navigation, nothing else."""


def main() -> None:
    """Declare the pages and run the one that the browser asks for."""
    import streamlit as st

    from anoonly_core.paths import ASSETS
    from app.controls.page_address import enter_page
    from app.navigation import declare_pages, draw_history_script
    from app.views.clean.page import page as clean
    from app.views.compare.page import page as compare
    from app.views.datasets.page import page as datasets
    from app.views.label.page import page as label
    from app.views.lessons.page import page as lessons
    from app.views.microscope.page import page as microscope
    from app.views.reproduce.page import page as reproduce
    from app.views.runs.page import page as runs
    from app.views.sweep.page import page as sweep
    from app.views.your_table.page import page as your_table
    from app.views.zero_shot.page import page as zero_shot
    from app.widgets.session import finish_page

    st.set_page_config(page_title="AnoOnly", page_icon=ASSETS / "icon.svg", layout="wide")
    st.html(ASSETS / "page.css")
    draw_history_script()
    name, chosen = declare_pages(
        {
            "compare": compare,
            "lessons": lessons,
            "microscope": microscope,
            "sweep": sweep,
            "zero_shot": zero_shot,
            "clean": clean,
            "reproduce": reproduce,
            "datasets": datasets,
            "your_table": your_table,
            "label": label,
            "runs": runs,
        }
    )
    enter_page(name)
    chosen.run()
    finish_page()


if __name__ == "__main__":  # the worker processes import this file too
    main()
