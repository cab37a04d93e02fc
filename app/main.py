"""Navigation, nothing else. `make run` starts it through `python -m app`."""


def main() -> None:
    """Declare the pages and run the one that the browser asks for."""
    from pathlib import Path

    import streamlit as st

    from app.pages import compare

    assets = Path(__file__).parents[1] / "assets"
    st.set_page_config(page_title="AnoOnly", page_icon=assets / "icon.svg", layout="wide")
    st.html(assets / "page.css")
    st.navigation([st.Page(compare.page, title="Compare", icon=":material/compare:", default=True)]).run()


if __name__ == "__main__":  # the worker processes import this file too
    main()
