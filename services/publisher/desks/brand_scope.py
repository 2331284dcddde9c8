"""Keeps a token inside its brands. Pure.

To a token for some brands only, an id of another brand and an id that nobody has are the same: 403. Were one of them
404, the difference would tell which ids other brands use. A token for all brands has nothing hidden from it: 404.
"""

from __future__ import annotations

from services.adapter.contract.accounts import Accounts
from services.publisher.access.roles import Granted
from services.publisher.api.problems import RequestRefusedError, not_found, outside_brand
from services.publisher.api.requests import ContentRequest
from services.publisher.log.accepted import AcceptedLog


def missing(granted: Granted, what: str, field: str, name: str) -> RequestRefusedError:
    """For an id that nobody has or that the token must not see. what: Chinese; field: English."""
    return not_found(what, field, name) if granted.sees_all else outside_brand(field, name)


def may_define(granted: Granted, brand_id: str) -> None:
    """Raises DeniedError unless the token is for this brand."""
    if not granted.sees(brand_id):
        raise outside_brand("brand_id", brand_id)


def may_write(granted: Granted, register: AcceptedLog, request: ContentRequest, brand_to_be: str | None = None) -> None:
    """Raises DeniedError unless campaign and content are of the token's brands, or the content is new.

    brand_to_be: of a campaign that is not defined yet. An unknown campaign is left to a token for all brands, which is
    told what to define.
    """
    campaign = register.campaign(request.campaign_id)
    brand = campaign.brand_id if campaign else brand_to_be
    if not granted.sees_all and (brand is None or not granted.sees(brand)):
        raise outside_brand("campaign_id", request.campaign_id)
    versions = register.versions(request.content_id)
    if versions and not granted.sees(versions[-1].brand_id):
        raise outside_brand("content_id", request.content_id)


def seen_accounts(granted: Granted, accounts: Accounts) -> Accounts:
    """The accounts that may be named to this token; the others do not exist for it."""
    return accounts if granted.sees_all else Accounts(tuple(one for one in accounts if granted.sees(one.brand_id)))
