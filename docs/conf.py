"""Sphinx configuration of the documentation site; `make docs` builds it."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

from anoonly_core import __version__  # noqa: E402

project = "AnoOnly"
author = "the AnoOnly project"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
extensions += ["plain_docstrings", "repository_links", "mathml", "offline"]  # docs/_ext
exclude_patterns = ["_build"]
smartquotes_action = "D"  # dashes, and no curly quotation marks
default_role = "code"  # docstrings mark code with single backticks
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# The two requests are methods that scikit-learn makes, with text of its own site.
INHERITED = "model_config, set_fit_request, set_score_request"
autodoc_default_options = {"members": True, "member-order": "bysource", "exclude-members": INHERITED}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
add_module_names = False
python_maximum_signature_line_length = 90
napoleon_google_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]  # a list, one entry for "a, b"

html_theme = "furo"
html_title = f"AnoOnly {release}"
html_favicon = "../assets/icon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
