"""The script that Streamlit runs for each session, by its path and hence without a parent package."""

from importlib import import_module
from pathlib import Path

if __name__ == "__main__":  # the worker processes import this file too
    import_module(f"{Path(__file__).resolve().parent.name}.application").draw_page()
