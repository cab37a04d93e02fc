"""The browser side: Streamlit only; imports neither torch nor umap."""
