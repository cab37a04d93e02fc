"""One file a page, thin: controls in, charts out."""
