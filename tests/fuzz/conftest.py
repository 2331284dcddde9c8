"""The publisher of tests/publisher, for generated requests."""

from __future__ import annotations

from tests.publisher.conftest import kafka, publisher, start

__all__ = ["kafka", "publisher", "start"]
