"""What each worker process needs, loaded once in the process that they are forked from; nothing is computed there."""

import gc

import sklearn.manifold  # noqa: F401

from anoonly_core.runs.run import warm_up

__all__: list[str] = []

warm_up()
gc.collect()
gc.freeze()  # a collection marks each object, whereby each worker would come to hold a copy of all of these pages
