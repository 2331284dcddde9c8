"""Pseudonyms of comment authors: the same person under one brand is one name, across brands nobody can tell. Pure."""

from __future__ import annotations

import hashlib
import hmac

LEAST_SALT = 16


class Pseudonyms:
    """Names from a secret salt; each brand has a salt of its own, derived from it."""

    def __init__(self, salt: bytes) -> None:
        if len(salt) < LEAST_SALT:
            raise ValueError(f"盐值至少 {LEAST_SALT} 字节 / the salt needs at least {LEAST_SALT} bytes")
        self._salt = salt
        self._of_brand: dict[str, bytes] = {}

    def of(self, brand_id: str, platform: str, author: str) -> str:
        """16 hex digits."""
        key = self._of_brand.get(brand_id)
        if key is None:
            key = self._of_brand[brand_id] = hmac.digest(self._salt, brand_id.encode(), hashlib.sha256)
        return hmac.digest(key, f"{platform}\x1f{author}".encode(), hashlib.sha256)[:8].hex()
