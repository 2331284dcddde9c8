"""Who may do what: roles, what each includes, the brands a token is for. Pure; tokens are kept by tokens_file.py."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["publish", "approve", "operate", "read"]
ROLES: tuple[Role, ...] = get_args(Role)
INCLUDED: dict[Role, frozenset[Role]] = {
    "publish": frozenset({"publish", "read"}),
    "approve": frozenset({"approve", "read"}),
    "operate": frozenset({"operate", "read"}),
    "read": frozenset({"read"}),
}
EVERY_BRAND = "*"
PREFIX = "tb_"
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,512}=*")


@dataclass(frozen=True, slots=True)
class Granted:
    """What the token of a request allows. to: the name it was made under, for the log."""

    to: str
    roles: frozenset[Role]
    brands: frozenset[str]

    def may(self, any_of: Iterable[Role]) -> bool:
        """Whether one of the roles is held, itself or inside another."""
        held = frozenset[Role]().union(*(INCLUDED[role] for role in self.roles))
        return not held.isdisjoint(any_of)

    def sees(self, brand_id: str) -> bool:
        return self.sees_all or brand_id in self.brands

    @property
    def sees_all(self) -> bool:
        return EVERY_BRAND in self.brands


def new_token() -> str:
    """256 random bits: nothing to guess, so a plain hash of it is enough to keep."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def well_formed(token: str) -> bool:
    """Whether a header can carry it (RFC 6750)."""
    return _TOKEN.fullmatch(token) is not None
