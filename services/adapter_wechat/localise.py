"""Master content → the draft of one Official Account: a styled article (`news`) or a picture post (`newspic`).

Pure and deterministic. Human words are never cut: what does not fit is refused, all problems at once.
"""

from __future__ import annotations

from typing import Any

from schemas.events.content import MasterContent, Target, Variant
from schemas.events.placement import Draft
from services.adapter.contract.accounts import Account
from services.adapter.contract.content import Localised
from services.adapter.localising import lexicon
from services.adapter.localising.article import as_markdown
from services.adapter.localising.fitting import Fitting
from services.adapter.localising.text import fingerprint, to_script
from services.adapter_wechat import limits
from services.adapter_wechat.post_forms import FittedWords, Speak, news, newspic, width
from services.adapter_wechat.settings import MASS_FIELD

RULES = "wechat-2"
WAYS = ("publish", "mass")
PUBLISHING_LEVELS = ("", "service", "service_verified", "subscription_verified")
COMMENTS = {"open": (1, 0), "fans": (1, 1), "closed": (0, 0)}
# An article that the originality check takes for a repost is not sent: a person decides.
TO_ALL = {"filter": {"is_to_all": True}, "send_ignore_reprint": 0}


def localise(content: MasterContent, target: Target, account: Account) -> Localised:
    """The draft, or every reason why there is none."""
    notes = Fitting("公众号", width)
    _check_account(account, notes)
    words = _words(content, account, notes)
    form = limits.LIMITS.kinds[content.kind]
    if form == "newspic" and account.way == "mass":
        _refuse_mass_pictures(account, notes)
    made = newspic(content, words, notes) if form == "newspic" else news(content, words, notes)
    found = lexicon.check(
        {
            words.title_field: words.title,
            "author": words.author,
            "summary": words.digest,
            words.body_field: made.readable,
        },
        content.declarations.confirmed_words,
    )
    notes.refusals += found.refusals
    if notes.refusals:
        return Localised(None, tuple(notes.refusals))
    draft = Draft(
        platform=target.platform,
        account=target.account,
        form=form,
        title=words.title,
        text=made.text,
        html=made.html,
        fields=_fields(form, words, account),
        media=made.media,
        fingerprint=fingerprint(words.title),
        rules_version=f"{RULES}+lexicon-{lexicon.lexicon_version()}",
        rules_applied=tuple(notes.rules),
        dropped=tuple(notes.dropped),
        warnings=(*notes.warnings, *found.warnings),
        length_used=made.length,
        length_limit=made.limit,
    )
    return Localised(draft)


def _check_account(account: Account, notes: Fitting) -> None:
    level, comments = account.options.get("level", ""), account.options.get("comments", "open")
    where = "targets.account"
    if account.way not in WAYS:
        message = f"账号 {account.account} 的 way“{account.way}”无效"
        notes.refuse(
            "way_unknown", where, message, "unknown way of posting", "填 publish 或 mass / use publish or mass"
        )
    if level not in PUBLISHING_LEVELS:
        notes.refuse(
            "publish_not_permitted",
            where,
            f"账号 {account.account}（{level}）没有发布和群发接口的权限",
            "only service accounts and verified enterprise subscription accounts may publish or mass-send by API",
            "使用服务号，或完成企业认证 / use a service account or get the account verified",
        )
    if comments not in COMMENTS:
        message = f"账号 {account.account} 的 options.comments“{comments}”无效"
        way_out = f"填 {'、'.join(COMMENTS)} 之一 / use one of these"
        notes.refuse("comments_option_unknown", where, message, "unknown options.comments", way_out)


def _refuse_mass_pictures(account: Account, notes: Fitting) -> None:
    notes.refuse(
        "pictures_not_for_mass",
        "kind",
        f"账号 {account.account} 用群发（mass），群发接口只确认支持图文文章，不发图片消息",
        "mass sending is known to take articles only, no picture posts",
        "改为 kind: article 并把图片放进正文，或换用 way: publish 的账号"
        " / use kind: article with the pictures in its body, or an account with way: publish",
    )


def _fields(form: str, words: FittedWords, account: Account) -> dict[str, Any]:
    """The article as draft/add takes it, but for content and media ids, which the uploads yield; and the mass send."""
    fields: dict[str, Any] = {"article_type": form, "title": words.title}
    if words.author:
        fields["author"] = words.author
    if form == "news":
        fields["digest"] = words.digest
    if form == "news" and words.source_url:
        fields["content_source_url"] = words.source_url
    opened, only_fans = COMMENTS[account.options.get("comments", "open")]
    fields |= {"need_open_comment": opened, "only_fans_can_comment": only_fans}
    return fields | ({MASS_FIELD: TO_ALL} if account.way == "mass" else {})


def _words(content: MasterContent, account: Account, notes: Fitting) -> FittedWords:
    variant = content.variant_for("wechat", account.account)
    if variant is not None:
        notes.rule("variant:human")
    speak = _speaker(content, account, notes)
    title, title_field = _title(content, variant, speak, notes)
    body, body_field = _body(content, variant, speak)
    key_message = speak(content.key_message).strip()
    topics = variant.topics if variant is not None and variant.topics is not None else content.topics
    return FittedWords(
        title=title,
        title_field=title_field,
        author=_author(content, speak, notes),
        digest=_digest(content, variant, key_message, speak, notes),
        body=body,
        body_field=body_field,
        key_message=key_message,
        topics=tuple(speak(topic).strip().strip("#") for topic in topics),
        source_url=_source_url(content, notes),
        advertisement=content.declarations.advertisement,
        tail=tuple(speak(line) for line in _declared(content, notes)),
        speak=speak,
    )


def _speaker(content: MasterContent, account: Account, notes: Fitting) -> Speak:
    """Writes words in the account's script. A master that is in it already stays as it is, word for word."""
    whole = "\n".join((content.title, content.summary, content.body, content.key_message, *content.topics))
    if to_script(whole, account.script) == whole:
        return str
    notes.rule(f"script:{account.script}")
    return lambda text: to_script(text, account.script)


def _title(content: MasterContent, variant: Variant | None, speak: Speak, notes: Fitting) -> tuple[str, str]:
    by_hand = variant is not None and variant.title is not None
    where = "variants.title" if by_hand else "title"
    if variant is not None and variant.title is not None:
        title = notes.human(variant.title, limits.TITLE, where, "标题")
    else:
        title = notes.shortened(" ".join(speak(content.title).split()), limits.TITLE, "title", "标题")
    if not title:
        notes.refuse("title_missing", where, "公众号文章必须有标题", "a title is required", f"填写 {where} / fill it")
    return title, where


def _author(content: MasterContent, speak: Speak, notes: Fitting) -> str:
    author = speak(content.author).strip()
    if width(author) <= limits.AUTHOR:
        return author
    notes.drop("author", f"作者名 {width(author)} 字，公众号最多 {limits.AUTHOR} 字；名字不宜截断，未填写作者")
    return ""


def _digest(content: MasterContent, variant: Variant | None, key_message: str, speak: Speak, notes: Fitting) -> str:
    """What is shown below the title in a list. Left empty the platform would take the first words of the body."""
    if variant is not None and variant.digest is not None:
        return notes.human(variant.digest, limits.DIGEST, "variants.digest", "摘要")
    if content.summary.strip():
        return notes.shortened(" ".join(speak(content.summary).split()), limits.DIGEST, "digest", "摘要")
    notes.rule("digest:key_message")
    return notes.shortened(key_message, limits.DIGEST, "digest", "摘要")


def _body(content: MasterContent, variant: Variant | None, speak: Speak) -> tuple[str, str]:
    """The body as Markdown and the field it comes from. Script is changed later, word by word, so that addresses in
    the Markdown stay as they are."""
    if variant is not None and variant.body is not None:
        return variant.body, "variants.body"
    if variant is not None and variant.text is not None:
        return as_markdown(variant.text), "variants.text"
    if content.body.strip():
        return content.body, "body"
    if content.summary.strip():
        return as_markdown(content.summary), "summary"
    return as_markdown(content.key_message), "key_message"


def _source_url(content: MasterContent, notes: Fitting) -> str:
    """The address behind 阅读原文: the brand's own page, else where a repost comes from."""
    url = content.link or content.declarations.source_url or ""
    if url and not url.startswith(("http://", "https://")):
        way_out = "填写以 https:// 开头的地址 / give an address that begins with https://"
        notes.refuse("link_invalid", "link", f"链接“{url[:60]}”不是网址", "the link is no web address", way_out)
    if (size := len(url.encode())) > limits.SOURCE_URL_BYTES:
        message = f"“阅读原文”链接 {size} 字节，最多 {limits.SOURCE_URL_BYTES} 字节"
        notes.refuse(
            "link_too_long", "link", message, "the link is longer than 1 KB", "换用短一些的地址 / use a shorter one"
        )
    return url


def _declared(content: MasterContent, notes: Fitting) -> list[str]:
    """What has to be said about the content, as lines at its end."""
    declared, lines = content.declarations, []
    if declared.origin == "repost":
        notes.rule("declare:repost")
        lines.append(f"转载来源：{declared.source_url}" if declared.source_url else "本文为转载")
    if declared.ai_generated:
        notes.rule("declare:ai_generated")
        lines.append("本文含 AI 生成内容")
    if declared.advertisement:
        notes.rule("declare:advertisement")
    return lines
