"""The error codes that the simulated Weibo answers with, their words, and the two shapes of an error answer."""

from __future__ import annotations

from services.simulator.contract import Call, SimReply

LIMIT_STATUS, REFUSED_STATUS = 403, 400  # limits and permissions [memory]; missing safe domain [client]
FORBIDDEN = {10005, 10014, 10022, 10023, 10024, 20016, 21315, 21319, 21327, 21332}
WORDS = {
    10006: "source parameter (appkey) is missing",
    10008: "param error, see doc for more info",
    10014: "Insufficient app permissions!",
    10016: "miss required parameter, see doc for more info",
    10017: "param error, text not find domain!",
    10020: "Request Api not found!",
    10021: "HTTP METHOD is not supported for this request!",
    10023: "User requests out of rate limit!",
    10024: "User requests for this api out of rate limit!",
    20003: "User does not exist!",
    20005: "Unsupported image type, only support JPG, GIF, PNG!",
    20006: "Image size too large!",
    20007: "Does multipart has image!",
    20008: "Content is null!",
    20012: "Text too long, please input text less than 140 characters!",
    20019: "repeat content!",
    20021: "content is illegal!",
    20031: "need verification code!",
    20032: "Update success, while server slow now, please wait 1-2 minutes!",
    20049: "Text too long!",
    20101: "target weibo does not exist!",
    20102: "not your own weibo!",
    20109: "weibo id is null!",
    20201: "target weibo comment does not exist!",
    20204: "comment id is null!",
    21319: "Token revoked!",
    21324: "invalid_client",
    21325: "invalid_grant",
    21327: "expired_token",
    21328: "unsupported_grant_type",
    21322: "redirect_uri_mismatch",
    21329: "unsupported_response_type",
    21330: "access_denied",
    21332: "invalid_access_token",
}


class WeiboRefusedError(Exception):
    """A request the platform answers with an error code."""

    def __init__(self, code: int) -> None:
        super().__init__(WORDS[code])
        self.code = code


def error_reply(code: int, call: Call) -> SimReply:
    status = LIMIT_STATUS if code in FORBIDDEN else REFUSED_STATUS
    return SimReply({"error": WORDS[code], "error_code": code, "request": call.path}, status=status)


def oauth_error_reply(code: int, call: Call) -> SimReply:
    """OAuth errors say more [memory]."""
    body = {"error": WORDS[code], "error_code": code, "request": call.path}
    return SimReply({**body, "error_uri": call.path, "error_description": WORDS[code]}, status=REFUSED_STATUS)
