"""Settings of a run as frozen dataclasses: networks, losses, augmentation, optimiser, execution.

Presets, text form and schedules are here as well. Nothing here knows networks or data.
"""

__all__ = ("config", "crop_window", "overrides", "presets", "schedule", "warm_start")
