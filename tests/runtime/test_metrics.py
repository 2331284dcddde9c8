"""No metric stands at nothing for ever: each is set somewhere, else an alert on it would never come."""

from __future__ import annotations

import re
from pathlib import Path

from services.runtime import metrics

ROOT = Path(__file__).parents[2]


def test_every_metric_is_set_somewhere() -> None:
    names = {name for name in vars(metrics) if name.isupper() and not name.startswith("_")} - {"REGISTRY"}
    assert len(names) > 20
    code = "\n".join(path.read_text() for path in (ROOT / "services").rglob("*.py") if path.name != "metrics.py")
    assert {name for name in names if not re.search(rf"\b{name}\b", code)} == set()
