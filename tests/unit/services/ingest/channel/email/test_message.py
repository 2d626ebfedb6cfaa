"""Mail as it comes: charsets, headers, structure, and what kind of mail it is."""

import base64
from datetime import UTC, datetime

import pytest

from services.ingest.channel.email import charset
from services.ingest.channel.email.html_text import text_of_html
from services.ingest.channel.email.message import Mail, addresses_of, decoded_header, read_mail

COMPLAINT = "我要退款！快递太慢了，客服也没有人理我。"
HEAD = b"From: Ana <ana@example.com>\r\nMessage-ID: <1@x>\r\n"


def _mail(headers: str, body: bytes) -> Mail:
    return read_mail(HEAD + headers.encode() + b"\r\n\r\n" + body)


@pytest.mark.parametrize(
    ("declared", "actual"),
    [
        ("gb2312", "gb18030"),
        ("GBK", "gb18030"),
        ("x-gbk", "gbk"),
        ("utf-8", "utf-8"),
        ("us-ascii", "utf-8"),
        ("no-such-charset", "utf-8"),
        ("big5", "utf-8"),
    ],
)
def test_chinese_bodies_are_read_whatever_they_declare(declared: str, actual: str) -> None:
    mail = _mail(f"Content-Type: text/plain; charset={declared}", COMPLAINT.encode(actual))

    assert mail.visible_text == COMPLAINT


def test_undeclared_bytes_follow_the_connections_language() -> None:
    assert charset.decode("退款！".encode("gb18030"), None, "zh") == "退款！"
    assert charset.decode("返金".encode("cp932"), None, "ja") == "返金"


def test_seven_bit_encodings_are_recognised_undeclared() -> None:
    assert charset.decode("すみません".encode("iso-2022-jp"), None) == "すみません"
    assert charset.decode("退款".encode("hz"), "us-ascii") == "退款"


@pytest.mark.parametrize("name", ["rot13", "base64", "zip", "idna", "undefined", "\x00", "x" * 500])
def test_charsets_that_are_no_charsets_do_no_harm(name: str) -> None:
    assert charset.decode(b"plain words", name) == "plain words"


def test_encoded_words_split_inside_a_character_are_joined() -> None:
    raw = "退款".encode()
    words = [f"=?utf-8?B?{base64.b64encode(part).decode()}?=" for part in (raw[:2], raw[2:])]

    assert decoded_header("\r\n ".join(words)) == "退款"


def test_raw_bytes_in_a_header_are_repaired() -> None:
    mail = read_mail("Subject: 投诉物流\r\n\r\nx".encode("gb18030"), "zh")

    assert mail.subject == "投诉物流"


@pytest.mark.parametrize(
    ("value", "address", "name"),
    [
        ("Ana Silva <ana@example.com>", "ana@example.com", "Ana Silva"),
        ('"Silva, Ana" <ana@example.com>', "ana@example.com", "Silva, Ana"),
        ("ana@example.com (Ana)", "ana@example.com", "Ana"),
        ("<ana@example.com>", "ana@example.com", ""),
        ("Ana <<ana@example.com>>", "ana@example.com", "Ana <"),
        ("=?utf-8?B?546L5bCP5piO?= <w@example.cn>", "w@example.cn", "王小明"),
    ],
)
def test_senders_are_found_however_written(value: str, address: str, name: str) -> None:
    (party,) = addresses_of(value)

    assert (party.address, party.name.rstrip(" <")) == (address, name.rstrip(" <"))


@pytest.mark.parametrize(
    "value",
    [
        "Fri, 01 Mar 2024 10:00:00 +0000",
        "Fri, 1 Mar 2024 18:00:00 +0800 (CST)",
        "1 Mar 2024 10:00 GMT",
        "2024-03-01T10:00:00Z",
        "Fri Mar 01 10:00:00 2024",
    ],
)
def test_dates_are_read_in_many_forms(value: str) -> None:
    assert _mail(f"Date: {value}", b"x").date == datetime(2024, 3, 1, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize("value", ["yesterday", "", "Fri, 99 Foo 2024", "0"])
def test_a_date_that_is_none_is_none(value: str) -> None:
    assert _mail(f"Date: {value}", b"x").date is None


@pytest.mark.parametrize(
    "headers",
    [
        "Auto-Submitted: auto-replied",
        "X-Autoreply: yes",
        "Precedence: auto_reply",
        "Subject: Automatic reply: Order",
        "Subject: =?utf-8?B?6Ieq5Yqo5Zue5aSNOiDorqLljZU=?=",
    ],
)
def test_auto_replies_are_recognised(headers: str) -> None:
    assert _mail(headers, b"I am away").is_auto_reply


def test_a_persons_mail_is_no_auto_reply() -> None:
    assert not _mail("Auto-Submitted: no\r\nSubject: Reply me automatically please", b"x").is_auto_reply


def test_a_bounce_names_whom_it_did_not_reach() -> None:
    report = b"--b\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; gone@example.com\r\n--b--"

    mail = _mail('Content-Type: multipart/report; report-type=delivery-status; boundary="b"', report)

    assert (mail.is_bounce, mail.failed_recipient) == (True, "gone@example.com")


def test_the_thread_is_named_by_its_first_mail() -> None:
    mail = _mail("References: <first@x> <second@x>\r\nIn-Reply-To: <second@x>", b"x")

    assert (mail.thread_id, mail.in_reply_to) == ("<first@x>", "<second@x>")
    assert _mail("In-Reply-To: <second@x>", b"x").thread_id == "<second@x>"


def test_attachments_are_listed_with_their_size_and_not_kept() -> None:
    parts = (
        b"--b\r\nContent-Type: text/plain\r\n\r\nSee attached\r\n"
        b'--b\r\nContent-Type: application/ms-tnef; name="winmail.dat"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        + base64.b64encode(b"x" * 100)
        + b"\r\n--b\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n--b--"
    )

    mail = _mail("Content-Type: multipart/mixed; boundary=b", parts)

    assert [(a.name, a.media_type) for a in mail.attachments] == [
        ("winmail.dat", "application/ms-tnef"),
        ("", "text/calendar"),
    ]
    assert mail.attachments[0].size_bytes == 100
    assert (mail.visible_text, mail.has_calendar) == ("See attached", True)


def test_a_forward_inside_a_forward_is_one_attachment() -> None:
    inner = b"Subject: inner\r\nContent-Type: message/rfc822\r\n\r\nSubject: innermost\r\n\r\nold words"
    parts = b"--b\r\n\r\nPlease read\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--b--"

    mail = _mail("Content-Type: multipart/mixed; boundary=b", parts)

    assert ([a.name for a in mail.attachments], mail.visible_text) == (["inner"], "Please read")


def test_a_boundary_with_raw_bytes_still_separates() -> None:
    mail = read_mail(HEAD + b"Content-Type: multipart/mixed; boundary=b\xff\r\n\r\n--b\xff\r\n\r\nhi\r\n--b\xff--\r\n")

    assert mail.visible_text == "hi"


def test_html_alone_is_read_without_its_history() -> None:
    history = "客服 &lt;a@b.cn&gt; 于2024年5月3日写道：<blockquote>您好</blockquote>"
    html = f'<div>退款吧</div><div class="gmail_quote">{history}</div>'

    mail = _mail("Content-Type: text/html; charset=utf-8", html.encode())

    assert mail.visible_text == "退款吧"
    assert "您好" in mail.text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("<div>One</div><div>Two</div>", "One\nTwo"),
        ("a<br>b&amp;c&nbsp;d", "a\nb&c d"),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", "1\t2\n3"),
        ("<style>p{}</style>Hi<script>x()</script><!-- no -->", "Hi"),
        ("no markup &lt;3", "no markup <3"),
    ],
)
def test_html_becomes_what_a_person_reads(markup: str, text: str) -> None:
    assert text_of_html(markup) == text


@pytest.mark.parametrize("markup", ["<div>" * 5_000 + "deep", "<b><i>" * 3_000 + "deep", "<p>deep</p>" * 30_000])
def test_hostile_html_loses_its_tags_and_keeps_its_words(markup: str) -> None:
    assert "deep" in text_of_html(markup)


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: message/rfc822\r\n\r\n" * 3_000,
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(300)),
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nhi\r\n" * 3_000,
        b"From: " + b"<" * 20_000,
        b"Subject: " + b"=?utf-8?q?a?= " * 3_000,
    ],
)
def test_hostile_structure_is_read_as_far_as_it_goes(raw: bytes) -> None:
    mail = read_mail(raw)

    assert len(mail.attachments) <= 64
    assert len(mail.text) < 3_000_000


def test_lone_accents_are_western_whatever_else_they_could_be() -> None:
    raw = "Subject: Frösche, die beißen".encode("cp1252")

    mail = read_mail(HEAD + raw + b"\r\n\r\n" + "Der Kühler für Möbel ist weg, größer geht nicht.".encode("cp1252"))

    assert mail.subject == "Frösche, die beißen"
    assert mail.visible_text == "Der Kühler für Möbel ist weg, größer geht nicht."


@pytest.mark.parametrize("declared", ["gb2312", "iso-8859-1", "windows-1251", "big5"])
def test_utf_8_is_recognised_under_another_name(declared: str) -> None:
    mail = _mail(f"Content-Type: text/plain; charset={declared}", "Ещё нет посылки — 包裹还没有到呢".encode())

    assert mail.visible_text == "Ещё нет посылки — 包裹还没有到呢"


@pytest.mark.parametrize(("declared", "text"), [("gbk", "联通"), ("iso-8859-1", "für Ärger"), ("big5", "退款")])
def test_short_texts_stay_what_they_declare(declared: str, text: str) -> None:
    mail = _mail(f"Content-Type: text/plain; charset={declared}", text.encode(declared))

    assert mail.visible_text == text


def test_a_filename_in_raw_bytes_is_repaired() -> None:
    part = b'--b\r\nContent-Type: application/pdf; name="Rechnung f\xfcr M\xe4rz.pdf"\r\n'
    part += b"Content-Disposition: attachment\r\n\r\nx\r\n--b--\r\n"

    mail = _mail("Content-Type: multipart/mixed; boundary=b", part)

    assert [file.name for file in mail.attachments] == ["Rechnung für März.pdf"]


def test_a_type_whose_semicolon_is_missing_is_still_a_text() -> None:
    mail = _mail("Content-Type: text/plain\r\n charset=utf-8", b"Where is it?")

    assert (mail.visible_text, mail.attachments) == ("Where is it?", [])


def test_flowed_lines_are_one_paragraph_and_chinese_ones_lose_the_space() -> None:
    english = _mail("Content-Type: text/plain; format=flowed", b"My parcel \r\nis late.\r\n\r\n-- \r\nAna")
    chinese = _mail("Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes", "包裹 \r\n没到".encode())

    assert english.visible_text == "My parcel is late."
    assert chinese.visible_text == "包裹没到"


def _report(kind: str, part: str) -> Mail:
    body = f"--b\r\n\r\nYour message was read.\r\n--b\r\nContent-Type: {part}\r\n\r\nX: y\r\n--b--\r\n"
    return _mail(f"Content-Type: multipart/{kind}; boundary=b", body.encode())


def test_a_read_receipt_or_a_spam_report_is_no_persons_message() -> None:
    receipt = _report("report; report-type=disposition-notification", "message/disposition-notification")
    complaint = _report("report; report-type=feedback-report", "message/feedback-report")

    assert (receipt.is_auto_reply, complaint.is_auto_reply) == (True, True)


def test_a_delivery_status_makes_a_bounce_whatever_is_around_it() -> None:
    assert _report("mixed", "message/delivery-status").is_bounce


@pytest.mark.parametrize(
    "words",
    [
        "There was an error delivering your mail to <bob@example.org>.",
        "ana@example.com wrote to\n<bob@example.org>:\nuser unknown",
        "很抱歉，您的邮件被退回：收件人 bob@example.org 不存在。",
    ],
)
def test_a_bounce_in_words_alone_names_whom_it_did_not_reach(words: str) -> None:
    raw = f"From: MAILER-DAEMON\r\nTo: ana@example.com\r\nSubject: failure notice\r\n\r\n{words}"

    mail = read_mail(raw.encode())

    assert (mail.is_bounce, mail.failed_recipient) == (True, "bob@example.org")


def test_a_mark_of_the_byte_order_hides_no_header() -> None:
    mail = read_mail(b"\xef\xbb\xbf" + HEAD + b"Subject: Late\r\n\r\nWhere is it?")

    assert (mail.subject, mail.sender is not None, mail.visible_text) == ("Late", True, "Where is it?")


def test_lines_set_inside_pre_stay_lines_however_deep() -> None:
    assert text_of_html("<pre><span>one\ntwo</span>\n<b>three</b></pre>") == "one\ntwo\nthree"


def test_two_accents_inside_a_word_are_western_too() -> None:
    assert charset.decode("A sua reclamação: não são soluções, é a terceira ação!".encode("cp1252")) == (
        "A sua reclamação: não são soluções, é a terceira ação!"
    )
    assert charset.decode("OK，我要退款".encode("gb18030")) == "OK，我要退款"


def test_base64_with_a_letter_too_many_is_read() -> None:
    mail = _mail("Content-Transfer-Encoding: base64", base64.b64encode(b"Hello World!") + b"A")

    assert mail.visible_text == "Hello World!"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("gb18030", "订单号 20240301 还没有发货，请尽快处理，谢谢！"),
        ("big5", "訂單編號 20240301 還沒有出貨，請盡快處理，謝謝！"),
        ("cp932", "注文番号20240301の発送状況を教えてください。"),
        ("euc-jp", "商品がまだ届きません。返金をお願いします。"),
        ("cp949", "상품이 아직 도착하지 않았습니다. 환불해 주세요."),
        ("cp1251", "Товар до сих пор не пришёл, верните деньги пожалуйста."),
    ],
)
def test_undeclared_texts_are_known_by_what_people_write(encoding: str, text: str) -> None:
    assert charset.decode(text.encode(encoding)) == text
