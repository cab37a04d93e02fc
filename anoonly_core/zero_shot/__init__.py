"""Zero-shot detection (ACR, arXiv 2302.07849): the test batch's own statistics adapt a meta-trained network."""
