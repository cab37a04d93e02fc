"""The tables and figures of the paper, measured again and compared with the published figures."""
