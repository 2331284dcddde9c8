"""Finds the simulated platforms: each `services/adapter_*/simulator`, a package or one file. Only this imports them."""

from __future__ import annotations

import importlib
from pathlib import Path

import services
from services.runtime.logging import get_logger
from services.simulator.contract import SimulatedPlatform

PREFIX = "adapter_"
log = get_logger(__name__)


def discovered() -> tuple[list[SimulatedPlatform], dict[str, str]]:
    """The platforms that can be simulated, and those that ought to be but do not load, with the reason."""
    found: list[SimulatedPlatform] = []
    broken: dict[str, str] = {}
    for name in _folders():
        try:
            module = importlib.import_module(f"services.{PREFIX}{name}.simulator")
            found.append(_checked(name, module.SIMULATOR))
        except Exception as error:  # whatever stops one platform must not hide the others
            log.exception("simulator_platform_broken", platform=name)
            broken[name] = f"{type(error).__name__}: {error}"
    return found, broken


def _folders() -> list[str]:
    names = set()
    for root in _roots():
        for folder in root.glob(f"{PREFIX}*"):
            name = folder.name.removeprefix(PREFIX)
            if (folder / "simulator.py").is_file() or (folder / "simulator" / "__init__.py").is_file():
                names.add(name)
            elif (folder / "__init__.py").is_file():
                log.info("simulator_platform_absent", platform=name)
    return sorted(names)


def _roots() -> list[Path]:
    return [Path(root) for root in services.__path__]


def _checked(name: str, simulated: SimulatedPlatform) -> SimulatedPlatform:
    if simulated.platform != name:
        raise ValueError(f"SIMULATOR.platform is {simulated.platform!r}, its folder says {name!r}")
    return simulated
