"""What an hour of this machine's GPU costs."""

from __future__ import annotations

from deepsynth_tui.machine import nvml
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from deepsynth_tui.machine.match_gpu import match_gpu


def price_per_hour() -> float | None:
    """Return the price of the dearest GPU of this machine by the catalogue, in dollars.

    None without a GPU, or if the catalogue does not know its price.
    """
    gpus = load_catalogue()
    prices = [
        gpu.price_per_hour
        for device in nvml.probe().devices
        if (gpu := match_gpu(device.name, device.total, gpus)) and gpu.price_per_hour is not None
    ]
    return max(prices, default=None)
