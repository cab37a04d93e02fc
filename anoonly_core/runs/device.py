"""Names of the devices that runs train on; does not import torch."""

from __future__ import annotations

from anoonly_core.errors import DeviceUnavailable

__all__ = ["DEVICES", "NO_GPU", "check_device"]

DEVICES = ("auto", "cpu", "cuda")
NO_GPU = "PyTorch finds no CUDA GPU on this machine: use the device cpu or auto."


def check_device(device: str) -> str:
    """Return the name of a device unchanged; raise DeviceUnavailable if it is not one of DEVICES."""
    if device not in DEVICES:
        raise DeviceUnavailable(f"device must be one of {', '.join(DEVICES)}, not {device[:60]!r}.")
    return device
