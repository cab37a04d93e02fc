"""The heads by name."""

from anoonly_core.methods.deepsad import DeepSAD
from anoonly_core.methods.head import Head, TrainingRows

__all__ = ["METHODS", "Head", "TrainingRows"]

METHODS: dict[str, type[Head]] = {head.name: head for head in (DeepSAD,)}
