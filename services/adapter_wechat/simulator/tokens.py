"""Access tokens of the simulated WeChat, the stable and the plain one (B1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.adapter_wechat.simulator.bodies import WechatRefusedError, json_body
from services.simulator.contract import Call, SimAccount, SimReply, World

TOKEN_LIVES = timedelta(seconds=7200)  # B1 [doc]
RENEWED_BEFORE_END = timedelta(minutes=5)  # B1 [doc]
FORCED_APART = timedelta(seconds=30)  # B1 [doc]
FORCED_A_DAY = 20  # B1 [doc]


@dataclass(slots=True)
class Token:
    value: str
    issued_at: datetime
    void_at: datetime


def token_holder(world: World, given: str, endpoint: str) -> SimAccount:
    for account in world.accounts.values():
        if (token := _tokens(account).get(given)) is None:
            continue
        if world.take_fault("token_stolen", endpoint):
            _steal(world, account)
        if world.now() < token.void_at:
            return account
        raise WechatRefusedError(42001 if world.now() >= token.issued_at + TOKEN_LIVES else 40001)
    raise WechatRefusedError(40001)


def _tokens(account: SimAccount) -> dict[str, Token]:
    """Every token the account ever had, by its value."""
    held: dict[str, Token] = account.state.setdefault("tokens", {})
    return held


def _owner(world: World, app_id: object, secret: object) -> SimAccount:
    for account in world.accounts.values():
        if account.app_id == app_id:
            if account.app_secret != secret:
                raise WechatRefusedError(40125)
            return account
    raise WechatRefusedError(40013)


def _issue(world: World, account: SimAccount, family: str) -> Token:
    """Tokens of the two endpoints do not affect each other."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
    value = "92_" + "".join(world.rng.choices(alphabet, k=130))
    token = Token(value, world.now(), world.now() + TOKEN_LIVES)
    _tokens(account)[value] = token
    account.state[family] = token
    return token


def _given(world: World, token: Token) -> SimReply:
    left = int((token.issued_at + TOKEN_LIVES - world.now()).total_seconds())
    return SimReply({"access_token": token.value, "expires_in": left})


def stable_token(world: World, call: Call) -> SimReply:
    body = json_body(call)
    if body.get("grant_type") != "client_credential":
        raise WechatRefusedError(40002)
    account = _owner(world, body.get("appid"), body.get("secret"))
    held: Token | None = account.state.get("stable")
    if body.get("force_refresh") is True:
        _count_forced(world, account)
        if held is not None:
            held.void_at = world.now()
        return _given(world, _issue(world, account, "stable"))
    if held is None or world.now() >= held.issued_at + TOKEN_LIVES - RENEWED_BEFORE_END:
        held = _issue(world, account, "stable")
    return _given(world, held)


def _steal(world: World, account: SimAccount) -> None:
    """Another client of the account forced a renewal: every older stable token is void at once (B1)."""
    for token in _tokens(account).values():
        token.void_at = min(token.void_at, world.now())
    _issue(world, account, "stable")


def _count_forced(world: World, account: SimAccount) -> None:
    """20 a day and 30 s apart [doc]; the codes for more are [assumption]."""
    now = world.now()
    today: list[datetime] = [at for at in account.state.get("forced", []) if now - at < timedelta(days=1)]
    if len(today) >= FORCED_A_DAY:
        raise WechatRefusedError(45009)
    if today and now - today[-1] < FORCED_APART:
        raise WechatRefusedError(45011)
    account.state["forced"] = [*today, now]


def token(world: World, call: Call) -> SimReply:
    """Each call issues a new token; the previous one lives on for about five minutes [memory]."""
    if call.query.get("grant_type") != "client_credential":
        raise WechatRefusedError(40002)
    account = _owner(world, call.query.get("appid"), call.query.get("secret"))
    held: Token | None = account.state.get("plain")
    if held is not None:
        held.void_at = min(held.void_at, world.now() + RENEWED_BEFORE_END)
    return _given(world, _issue(world, account, "plain"))
