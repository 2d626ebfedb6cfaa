"""The new words of a reply: what the sender wrote now, without quoted history, attribution lines and signatures.

One pass over lines with bounded patterns, so hostile mails cost linear time. Clients covered: Outlook, Gmail, Apple
Mail, Yahoo, QQ, 163, Foxmail, Thunderbird and phones, in English, Chinese (both scripts), Japanese, Korean and a dozen
European languages. A reply written between quoted lines keeps the quotes it answers.
"""

import re

MAX_TEXT = 200_000
MAX_LINES = 5_000
MAX_CHECKS = 500  # lines of one mail that may be looked at closely as attribution or header
_MAX_ATTRIBUTION = 600
_SPAN = 6  # lines an attribution may be wrapped over
_LINE = 400  # characters of a line that are looked at

_VERBS = (
    r"wrote|writes|a écrit|a &eacute;crit|schrieb|geschrieben|escribió|escribi&oacute;|escreveu|ha scritto|scrive|"
    r"schreef|geschreven|skrev|kirjoitti|napisał|napisała|napisał\(a\)|pisze|написала?|написал\(а\)|пишет|写道|寫道|寫|"
    r"さんは書きました|書きました|のメール|작성|님이 작성|yazdı|napsala?|napísala?|"
    r"írta|a scris|έγραψε|đã viết|menulis|skrifaði"
)
# Zoho puts a rule on either side of its line.
_ENDS_WITH_VERB = re.compile(rf"(?:{_VERBS})\s*(?:\([^()]{{0,20}}\))?\s*[:：]?\s*-{{0,10}}\s*$", re.IGNORECASE)
_HAS_VERB = re.compile(rf"(?:^|[\s\"'>）)，,])(?:{_VERBS})(?:[\s:：]|$)", re.IGNORECASE)
_OPENER = re.compile(
    r"^\s*(?:on|at|le|am|el|op|em|il|den|dne|dnia|w dniu|på|kl|pada|vào|a|at|在|于|於)\b|^\s*[在于於]\s?\d|"
    r"^\s*[\w\"'«„.,\s-]{0,60}<",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b(?:19|20)\d{2}\b|(?:19|20)\d{2}\s?[年.\-/]|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\b\d{1,2}[:.]\d{2}\b"
)
_ON_DAY = re.compile(r"^[于於]\s?\d")
_ADDRESS = re.compile(r"[<(\[\"\s][^\s<>()@]{1,100}@[^\s<>()@]{1,100}")
_BARE_DATE_LINE = re.compile(
    r"^\s*(?:\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{2} GMT[+-]\d|"
    r"\d{4}/\d{1,2}/\d{1,2} .{1,80}<[^<>@\s]{1,80}@[^<>\s]{1,80}>\s*$)"
)
_ORIGINAL = re.compile(
    r"^[\s>*|]*[-_=－—]{2,}\s*\**\s*(?:original message|original appointment|forwarded message|forwarded by .{1,80}|"
    r"reply message|message d.origine|message original|message transféré|ursprüngliche nachricht|"
    r"weitergeleitete nachricht|originalnachricht|mensaje original|mensagem original|messaggio originale|"
    r"messaggio inoltrato|oorspronkelijk bericht|doorgestuurd bericht|oprindelig (?:besked|meddelelse)|"
    r"opprinnelig melding|ursprungligt meddelande|originalmeddelande|alkuperäinen viesti|wiadomość oryginalna|"
    r"vidarebefordrat meddelande|videresendt (?:besked|melding|meddelelse)|edelleenlähetetty viesti|"
    r"wiadomość przekazana|přeposlaná zpráva|továbbított üzenet|mensaje reenviado|mensagem encaminhada|"
    r"oryginalna wiadomość|исходное сообщение|пересылаемое сообщение|původní zpráva|eredeti üzenet|"
    r"原始邮件|原始信件|原始郵件|原邮件|邮件原件|邮件原文|回复的原邮件|回复的邮件|转发的邮件|"
    r"转发邮件|转发邮件信息|轉寄郵件|轉寄的郵件|"
    r"元のメッセージ|転送メッセージ|원본 메시지|원본 메일)\s*[:：]?\s*\**\s*[-_=－—]{2,}[\s*|]*$",
    re.IGNORECASE,
)
_FORWARD = re.compile(
    r"^\s*(?:(?:begin )?forwarded message|début du message réexpédié|anfang der weitergeleiteten)[^:]{0,40}:",
    re.IGNORECASE,
)
_LABELS = {
    "from": (
        "from|von|de|da|van|od|från|fra|от|от кого|lähettäjä|feladó|"
        "发件人|寄件者|寄件人|发信人|差出人|送信者|보낸 사람|보낸사람"
    ),
    "date": (
        "sent|date|gesendet|datum|envoyé|envoyé le|message du|enviado|enviado el|enviada em|enviado em|inviato|data|"
        "verzonden|skickat|sendt|dato|wysłano|дата|отправлено|fecha|lähetetty|"
        "发送时间|发送日期|日期|时间|寄件日期|傳送日期|送信日時|日時|보낸 날짜|날짜"
    ),
    "to": "to|an|à|a|para|aan|till|til|do|кому|vastaanottaja|收件人|收件者|宛先|받는 사람|받는사람",
    "subject": (
        "subject|betreff|objet|asunto|assunto|oggetto|onderwerp|ämne|emne|temat|тема|aihe|tárgy|"
        "主题|主旨|标题|件名|제목"
    ),
    "other": "cc|reply-to|risposta|copie à|抄送|副本|importance|priority|attachments|organization",
}
_LABEL_KIND = {label: kind for kind, labels in _LABELS.items() for label in labels.split("|")}
_LABELLED = re.compile(
    r"^[\s>*|]*(" + "|".join(sorted(map(re.escape, _LABEL_KIND), key=len, reverse=True)) + r")\s?\**\s?\|?\s?[:：|]",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"^[\s>*|]*(?:[-_=*~－—]\s?){3,}[\s|]*$")
_SIGNATURE = re.compile(r"^\s*--\s*$|^\s*—\s*$")
_LIST_FOOTER = re.compile(r"^_{20,}\s*$")
_PHONE_SIGNATURE = re.compile(
    r"^[\s(<*_\[]*(?:"
    r"sent (?:from|via|with|using|by|on) (?:my|a|an|the|your)\b.{0,80}|"
    r"(?:sent|written|composed) (?:from|via|with|using|by|on) [^.!?]{1,50}\.?|from my i?phone.{0,20}|"
    r"get (?:\[?outlook|typeapp|blue).{0,60}|get yahoo mail.{0,60}|"
    r"envoyé (?:depuis|de|à partir de|via|avec)\b.{0,60}|von meine[mnr] .{0,60}gesendet.{0,20}|"
    r"(?:diese nachricht wurde )?(?:von|mit) .{0,60} gesendet.{0,10}|gesendet (?:von|mit|über) .{0,60}|"
    r"enviad[oa] (?:desde|do|de|a partir|via|por)\b.{0,60}|inviato d(?:a|al|alla)\b.{0,60}|"
    r"verzonden (?:met|vanaf|van|via)\b.{0,60}|skickat från .{0,60}|sendt fra .{0,60}|lähetetty .{0,60}|"
    r"wysłan[eo] z .{0,60}|отправлено (?:с|из|от) .{0,60}|odesláno z .{0,60}|iphone(?:から|より)送信.{0,20}|"
    r"(?:发自|發自|来自我的|來自我的|从我的|從我的|寄自|傳送自)\s?.{1,40}|从 .{1,40}(?:发送|版邮件发送)|"
    r"(?:获取|下載|取得) ?outlook.{1,40}|来自 ?(?:outlook|foxmail|qq|网易|小米|华为|三星|vivo|oppo|荣耀).{0,30}|"
    r"나의 .{1,30}에서 보냄"
    r")[\s)>*_\]]*$",
    re.IGNORECASE,
)
_CARD = 12  # lines a visiting card may have
_CARD_EDGE = re.compile(r"^\s*\|[\s|]*$")
_CARD_END = re.compile(r"^[\s|]*签名由\s?.{1,20}定制[\s|]*$")
_REPLY_ABOVE = re.compile(
    r"^[\s>*|#=~-]*(?:please (?:type|write|add|enter) your (?:reply|response) above this line|"
    r"(?:please )?reply above this line|(?:回复|回覆)请(?:在|写在)此(?:行|线)(?:之上|上方|以上)|"
    r"请在此(?:行|线)(?:之上|上方|以上)(?:回复|输入))",
    re.IGNORECASE,
)
_DISCLAIMER = re.compile(
    r"^[\s*_]*(?:"
    r"(?:confidentiality|legal|privacy) (?:notice|disclaimer|statement)\b|disclaimer\s*:|"
    r"this (?:e-?mail|message|communication)(?:,? ?(?:\(|and|including|together|with|its?|or)[^.]{1,80}?)? "
    r"(?:is|are|may be|contains?|may contain|may also contain) "
    r"(?:(?:information|which|that|is|are|be|may|and/?o?r?|legally|strictly|private|proprietary|sent|only) ){0,6}?"
    r"(?:confidential|privileged|intended (?:only|solely))|"
    r"the (?:information|content)s? (?:contained |transmitted )?in this (?:e-?mail|message|communication)|"
    r"diese (?:e-?mail|nachricht) (?:enthält|ist) (?:\w+ ){0,4}?vertraulich|"
    r"ce (?:message|courriel)(?: et [^.]{1,60})? (?:est|sont|contient|peut contenir) (?:\w+ ){0,6}?confidentiel|"
    r"(?:保密|免责|法律|隐私)(?:声明|提示|须知|条款)\s*[:：]?\s*$|(?:保密|免责|免責|法律)(?:声明|聲明)\s*[:：]|"
    r"(?:本|此|该)(?:电子|電子)?(?:邮件|郵件|信件|邮件信息|郵件訊息)(?:及|和|與|与|以及|（|\()?.{0,20}?"
    r"(?:含有|包含|载有|所含|可能|属于|屬|仅供|僅供|仅发送|内容).{0,60}?(?:保密|机密|機密|秘密|专有|仅限|僅限|指定|收件人)"
    r")",
    re.IGNORECASE,
)
_DASH_NAME = re.compile(r"^[-–—~]\s?[A-Z][\w'’.]{1,30}(?: [A-Z][\w'’.]{0,30}){0,2}\s*$")
_QUOTE = re.compile(r"^\s{0,3}[>|]")


def visible_text(text: str) -> str:
    """Return the sender's own new words; the whole text when nothing else would be left.

    Example:
        >>> visible_text("Thanks!\\n\\nOn Mon, 1 Jan 2024 at 10:00, Bob <bob@example.com> wrote:\\n> hi")
        'Thanks!'
        >>> visible_text("好的，谢谢。\\n\\n在 2024年1月1日，上午10:00，客服 <kf@example.cn> 写道：\\n> 您好")
        '好的，谢谢。'
    """
    lines = _lines_of(text)
    kept = _without_tail(_without_history(_without_card(_without_head(lines))))
    return "\n".join(kept).strip() or text.strip()


def _lines_of(text: str) -> list[str]:
    unified = text[:MAX_TEXT].replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\xa0", " ")
    unified = unified.replace("&nbsp;", " ")  # QQ writes it into its plain text
    return unified.split("\n", MAX_LINES)[:MAX_LINES]


def _without_head(lines: list[str]) -> list[str]:
    """Drop a forward's marker and header block that nothing stands before: what follows is all there is to read."""
    start = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if start >= len(lines):
        return lines
    is_marked = bool(_ORIGINAL.match(lines[start][:_LINE]) or _FORWARD.match(lines[start][:_LINE]))
    body = next((i for i in range(start + 1, len(lines)) if lines[i].strip()), len(lines)) if is_marked else start
    if body < len(lines) and _starts_header_block(lines, body):
        end = next((i for i in range(body, len(lines)) if not lines[i].strip()), len(lines))
        rest = lines[end:]
        return rest if any(line.strip() for line in rest) else lines
    return lines[body:] if is_marked and body < len(lines) else lines


def _without_card(lines: list[str]) -> list[str]:
    """Drop the visiting card NetEase's phone client draws as a table over its own line."""
    end = next((i for i, line in enumerate(lines) if _CARD_END.match(line[:_LINE])), None)
    if end is None:
        return lines
    start = next((i for i in range(max(0, end - _CARD), end) if _CARD_EDGE.match(lines[i])), end)
    return lines[:start] + lines[end + 1 :]


def _without_history(lines: list[str]) -> list[str]:
    """Cut at the first mark that starts history or a signature; attributions decide by what follows them."""
    kept: list[str] = []
    last_quote = max((i for i, line in enumerate(lines) if _QUOTE.match(line)), default=-1)
    has_late_text = _has_text(_signed_off(lines[last_quote + 1 :])) if last_quote >= 0 else False
    has_text = is_in_fence = False
    index = n_checks = 0
    while index < len(lines):
        line = lines[index][:_LINE]
        if line.lstrip().startswith("```"):
            is_in_fence = not is_in_fence
        if has_text and not is_in_fence and _ends_message(lines, index, kept):
            break
        is_candidate = not is_in_fence and n_checks < MAX_CHECKS and _may_attribute(line)
        n_checks += is_candidate
        end = _attribution_end(lines, index) if is_candidate else None
        if end is not None:
            follows = next((i for i in range(end + 1, len(lines)) if lines[i].strip()), None)
            is_quoted = follows is not None and bool(_QUOTE.match(lines[follows]))
            if has_text and not (is_quoted and has_late_text and last_quote > end):
                break
            index = end + 1
            continue
        if _QUOTE.match(line):
            if not has_text and has_late_text:
                index += 1
                continue
        elif line.strip():
            has_text = True
        kept.append(lines[index])
        index += 1
    return kept


def _ends_message(lines: list[str], index: int, kept: list[str]) -> bool:
    line = lines[index][:_LINE]
    if _SIGNATURE.match(line) or _ORIGINAL.match(line) or _FORWARD.match(line) or _starts_header_block(lines, index):
        return True
    is_paragraph = not kept or not kept[-1].strip()
    if _REPLY_ABOVE.match(line) or (is_paragraph and _DISCLAIMER.match(line)):
        return True
    if _LIST_FOOTER.match(line):
        following = " ".join(lines[index + 1 : index + 5])
        return "mailing list" in following.lower() or "http" in following
    is_last = index + 1 >= len(lines) or not lines[index + 1].strip()
    return _PHONE_SIGNATURE.match(line) is not None and (is_paragraph or is_last)


def _signed_off(lines: list[str]) -> list[str]:
    """Return the lines before the first signature."""
    for index, line in enumerate(lines):
        if _SIGNATURE.match(line[:_LINE]) or _PHONE_SIGNATURE.match(line[:_LINE]) or _LIST_FOOTER.match(line[:_LINE]):
            return lines[:index]
    return lines


def _has_text(lines: list[str]) -> bool:
    return any(line.strip() and not _QUOTE.match(line) and not _SEPARATOR.match(line[:_LINE]) for line in lines)


def _starts_header_block(lines: list[str], index: int) -> bool:
    """Return whether at least three kinds of header label, the sender's among them, stand from here within 8 lines."""
    if _label_kind(lines[index]) is None:
        return False
    kinds: set[str] = set()
    for position in range(index, min(index + 8, len(lines))):
        line = lines[position]
        if (
            not line.strip()
            and len(kinds) < 2
            and _label_kind(lines[min(position + 1, len(lines) - 1)]) in (None, *kinds)
        ):
            break
        for piece in re.split(r"[;；]", line[:_LINE])[:6]:
            kind = _label_kind(piece)
            if kind is not None:
                kinds.add(kind)
    return "from" in kinds and len(kinds - {"other"}) >= 3


def _label_kind(line: str) -> str | None:
    match = _LABELLED.match(line[:_LINE])
    return _LABEL_KIND.get(match[1].lower()) if match else None


def _may_attribute(line: str) -> bool:
    return bool(line.strip()) and not _QUOTE.match(line) and bool(_OPENER.match(line) or _DATE.search(line))


def _attribution_end(lines: list[str], start: int) -> int | None:
    """Return the last line of an attribution ("On …, X wrote:") that starts here, wrapped or not; else None."""
    if _BARE_DATE_LINE.match(lines[start][:_LINE]):
        return _end_of_bare_date(lines, start)
    joined = ""
    for end in range(start, min(start + _SPAN, len(lines))):
        piece = lines[end][:_LINE].strip()
        # Gmail breaks its Chinese line between the address and the day.
        is_rest = joined.endswith(">") and _ON_DAY.match(piece)
        if end > start and not is_rest and _OPENER.match(piece) and _DATE.search(piece):
            return None
        joined = f"{joined} {piece}" if joined else piece
        if len(joined) > _MAX_ATTRIBUTION:
            return None
        if _is_attribution(joined):
            return end
        if end > start and not piece and not lines[end - 1].strip():
            return None
    return None


def _end_of_bare_date(lines: list[str], start: int) -> int:
    joined = lines[start][:_LINE].strip()
    for end in range(start + 1, min(start + 3, len(lines))):
        joined += " " + lines[end][:_LINE].strip()
        if "@" in joined and joined.endswith((":", "：")):
            return end
    return start


def _is_attribution(joined: str) -> bool:
    has_date = _DATE.search(joined) is not None
    if (has_date or "@" in joined) and _ENDS_WITH_VERB.search(joined[-80:]):
        return True
    if not joined.endswith((":", "：", ">:")) or not has_date:
        return False
    return _ADDRESS.search(joined) is not None or _HAS_VERB.search(joined) is not None


def _without_tail(lines: list[str]) -> list[str]:
    """Drop trailing quotes, rules, blank lines and a lone "-Name", as long as some text stands before them."""
    end = len(lines)
    while end > 0 and (not lines[end - 1].strip() or _is_rule_or_quote(lines[end - 1])):
        end -= 1
    if end == 0:
        return lines
    if end > 1 and _DASH_NAME.match(lines[end - 1]) and not lines[end - 2].strip():
        return _without_tail(lines[: end - 1]) if _has_text(lines[: end - 1]) else lines[:end]
    return lines[:end]


def _is_rule_or_quote(line: str) -> bool:
    return bool(_QUOTE.match(line) or _SEPARATOR.match(line[:_LINE]))
