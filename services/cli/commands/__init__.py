"""The commands of `tongbo`, one file per command: `up.py` holds `tongbo up`."""

from __future__ import annotations

import pkgutil

# Files with several commands → their names. Every other file's command has the name of its file.
SEVERAL = {"placement": ("cancel", "retract", "retry", "confirm", "deny", "release", "reply")}


def modules() -> dict[str, str]:
    """The name of each command → the module that registers it; sorted by the modules' names."""
    found = [one.name for one in pkgutil.walk_packages(__path__, f"{__name__}.") if not one.ispkg]
    files = {module.rpartition(".")[2]: module for module in found}
    return {name: files[file] for file in sorted(files) for name in SEVERAL.get(file, (file,))}
