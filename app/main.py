"""Navigation, nothing else. `make run` starts it through `python -m app`."""


def main() -> None:
    """Declare the pages and run the one that the browser asks for."""
    from pathlib import Path

    import streamlit as st

    from app.links import arrive
    from app.views import (
        clean,
        compare,
        datasets,
        label,
        lessons,
        microscope,
        own_table,
        reproduce,
        runs,
        sweep,
        zero_shot,
    )
    from app.visit import leave

    assets = Path(__file__).parents[1] / "assets"
    st.set_page_config(page_title="AnoOnly", page_icon=assets / "icon.svg", layout="wide")
    st.html(assets / "page.css")
    first = st.Page(compare.page, title="Compare", icon=":material/compare:", default=True)
    others = [
        st.Page(lessons.page, title="Lessons", icon=":material/school:", url_path=lessons.URL_PATH),
        st.Page(microscope.page, title="Microscope", icon=":material/biotech:", url_path=microscope.URL_PATH),
        st.Page(sweep.page, title="Sweep", icon=":material/ssid_chart:", url_path=sweep.URL_PATH),
        st.Page(zero_shot.page, title="Zero-shot", icon=":material/travel_explore:", url_path=zero_shot.URL_PATH),
        st.Page(clean.page, title="Clean", icon=":material/cleaning_services:", url_path=clean.URL_PATH),
        st.Page(reproduce.page, title="Reproduce", icon=":material/fact_check:", url_path=reproduce.URL_PATH),
        st.Page(datasets.page, title="Datasets", icon=":material/database:", url_path=datasets.URL_PATH),
        st.Page(own_table.page, title="Your table", icon=":material/upload_file:", url_path=own_table.URL_PATH),
        st.Page(label.page, title="Label", icon=":material/label:", url_path=label.URL_PATH),
        st.Page(runs.page, title="Runs", icon=":material/list:", url_path=runs.URL_PATH),
    ]
    chosen = st.navigation([first, *others])
    arrive(chosen.title)
    chosen.run()
    leave()


if __name__ == "__main__":  # the worker processes import this file too
    main()
