"""The paper's tables and figures, measured again, beside what was published: what is trained, and what it says."""
