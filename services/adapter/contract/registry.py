"""Finds the adapters: every folder `services/adapter_*` that exports `ADAPTER`. The only place that knows how."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from services.adapter.contract.adapter import Adapter

PREFIX = "adapter_"


class UnknownPlatformError(LookupError):
    """Raised for a platform that no adapter folder serves."""


def platforms() -> tuple[str, ...]:
    """Names of all platforms that have an adapter folder, sorted."""
    folders = Path(__file__).parents[2].glob(f"{PREFIX}*/__init__.py")
    return tuple(sorted(folder.parent.name.removeprefix(PREFIX) for folder in folders))


@cache
def adapter(platform: str) -> Adapter:
    """The adapter of `platform`; raises UnknownPlatformError naming those that exist."""
    if platform not in platforms():
        raise UnknownPlatformError(
            f"没有平台“{platform}”的适配器，现有：{'、'.join(platforms())} / no adapter for this platform"
        )
    found = importlib.import_module(f"services.{PREFIX}{platform}").ADAPTER
    if not isinstance(found, Adapter):
        raise TypeError(f"services.{PREFIX}{platform}.ADAPTER is not an Adapter")
    return found


def adapters() -> dict[str, Adapter]:
    return {platform: adapter(platform) for platform in platforms()}
