"""Imports of the fork server, which all worker processes inherit; it computes nothing itself."""

import gc

import sklearn.datasets
import sklearn.manifold  # noqa: F401

from anoonly_core.runs.run import warm_up

__all__: list[str] = []

warm_up()
gc.collect()
gc.freeze()  # else a collection in a worker would write to every inherited page, and so copy it
