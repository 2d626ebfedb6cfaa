"""The sender's new words, in the forms that mail clients quote in."""

import pytest

from services.ingest.channel.email.reply import visible_text

ENGLISH = "Still broken.\nPlease call me."
CHINESE = "还是坏的。\n请给我回电话。"
HISTORY = {
    "gmail_zh": "客服 <kf@example.cn> 于2024年5月3日周五 下午8:45写道：\n\n> 您好，\n> 请问还有问题吗？",
    "gmail_zh_wrapped": "客服-售后服务 <kf@service.example.cn>\n于2024年5月3日周五 下午8:45写道：\n\n> 您好，",
    "zoho": "---- On Fri, 03 May 2024 20:45:33 +0100 Help <help@example.com> wrote ----\n\nHello,",
    "zoho_zh": "---- 在 星期五, 03 五月 2024 20:45:33 +0800 客服 <kf@example.cn> 写道 ----\n\n您好，",
    "gmail_zh_tw": "客服 <kf@example.tw> 於 2024年5月3日 週五 下午8:45寫道：\n\n> 您好，",
    "apple_zh": "在 2024年5月3日，下午8:45，客服 <kf@example.cn> 写道：\n\n您好，请问还有问题吗？",
    "apple_zh_wrapped": "在 2024年5月3日，下午8:45，\n客服 <kf@example.cn> 写道：\n\n> 您好，",
    "netease": '在 2024-05-03 20:45:00，"客服" <kf@163.com> 写道：\n\n您好，请问还有问题吗？',
    "netease_at": 'At 2024-05-03 20:45:00, "客服" <kf@163.com> wrote:\n>您好，',
    "netease_new": (
        "---- 回复的原邮件 ----\n| 发件人 | 客服<kf@163.com> |\n| 日期 | 2024年05月03日 20:45 |\n"
        "| 收件人 | 我<me@163.com> |"
    ),
    "qq": (
        '------------------ 原始邮件 ------------------\n发件人: "客服" <kf@qq.com>;\n'
        "发送时间: 2024年5月3日(星期五) 晚上8:45"
    ),
    "qq_short": '------------------ 原始邮件 ------------------\n发件人: "客服" <kf@qq.com>;\n主题: 订单',
    "foxmail": "发件人： 客服\n发送时间： 2024-05-03 20:45\n收件人： 我\n主题： 订单\n\n您好，",
    "outlook_zh": (
        "________________________________\n发件人: 客服 <kf@example.cn>\n发送时间: 2024年5月3日 20:45\n"
        "收件人: 我\n主题: 订单\n\n您好，"
    ),
    "aliyun": (
        "------------------------------------------------------------------\n发件人：客服 <kf@aliyun.com>\n"
        "日期：2024年05月03日\n收件人：我\n主题：订单"
    ),
    "qq_escaped": (
        "------------------&nbsp;原始邮件&nbsp;------------------\n发件人:&nbsp;客服\n发送时间:&nbsp;2024年5月3日"
    ),
    "outlook_spaced": "From:  Help <help@example.com>\n\nDate: Fri, 3 May 2024\nTo: Me\nSubject: Order\n\nHello,",
    "airmail": "Forwarded message:\n\nFrom: Help <help@example.com>\nTo: Me\nDate: Friday\nSubject: Order",
    "zendesk": "##- Please type your reply above this line -##\n\nYour request (12) was updated.",
    "mail_139": "----邮件原文----\n发件人：客服\n收件人：我",
    "ja_gmail": "2024年5月3日(金) 20:45 サポート <help@example.jp>:\n\n> こんにちは",
    "outlook_en": "From: Help <help@example.com>\nSent: Friday, May 3, 2024 8:45 PM\nTo: Me\nSubject: Order\n\nHello,",
    "gmail_en": "On Fri, May 3, 2024 at 8:45 PM Help <help@example.com> wrote:\n\n> Hello,",
    "yahoo": "-----Original Message-----\nFrom: Help\nTo: Me\nSent: Fri, May 3, 2024 8:45 pm\nSubject: Order",
}
SIGNATURES = [
    "-- \nAna Silva\nACME GmbH",
    "发自我的iPhone",
    "发自我的小米手机",
    "从我的 iPhone 发送",
    "获取 Outlook for iOS<https://aka.ms/o0ukef>",
    "Sent from my iPhone",
    "Sent from Yahoo Mail on Android",
    "Get Outlook for Android",
    "iPhoneから送信",
    "Von meinem iPhone gesendet",
    "Sent with Proton Mail secure email.",
    "| |\n王小明\n|\n|\n邮箱：wang@163.com\n|\n\n签名由 网易邮箱大师 定制",
    "This e-mail and any attachments are confidential and intended solely for the addressee.",
    "CONFIDENTIALITY NOTICE: the contents of this message are privileged.",
    "The information contained in this message may be privileged.",
    "Diese E-Mail enthält vertrauliche Informationen.",
    "本邮件及其附件含有某某公司的保密信息，仅限于发送给上面地址中列出的个人或群组。",
    "免责声明：本邮件仅供收件人参考。",
]


@pytest.mark.parametrize("words", [ENGLISH, CHINESE])
@pytest.mark.parametrize("client", HISTORY)
def test_quoted_history_is_left_out(client: str, words: str) -> None:
    assert visible_text(f"{words}\n\n{HISTORY[client]}\n") == words


@pytest.mark.parametrize("client", HISTORY)
def test_history_right_below_the_words_is_left_out(client: str) -> None:
    assert visible_text(f"{ENGLISH}\n{HISTORY[client]}\n") == ENGLISH


@pytest.mark.parametrize("signature", SIGNATURES)
def test_signatures_are_left_out(signature: str) -> None:
    assert visible_text(f"{CHINESE}\n\n{signature}\n") == CHINESE


@pytest.mark.parametrize(
    "text",
    [
        "On Monday I ordered two lamps. On Tuesday one arrived broken.",
        "I wrote to you on 3 May 2024 and nobody answered.",
        "Date: I would like Friday.\nTo: my office, please.",
        "From Berlin to Paris it took 9 days.",
        "我在 2024年5月3日 下的单，写道今天还没发货。",
        "- the lamp is broken\n- the box too\n\nWhat now?",
        "The total is:\n\n20:15 delivery\n21:00 nobody came",
        "Sent the parcel back yesterday. When do I get my money?",
        "发件人写错了，请更正。",
        "Sent from my account the invoice came twice.\nWhy?",
        "Hi,\n\nThis email contains my order number and the confidential code you asked for.",
        "Hello,\n\nThis message is my third complaint. It is confidential to nobody.",
        "请看附件。\n\n本邮件是第三次投诉了，仍没有人联系我。",
    ],
)
def test_ordinary_words_are_kept_whole(text: str) -> None:
    assert visible_text(text) == text


def test_a_phones_line_right_below_the_words_is_left_out() -> None:
    assert visible_text(f"{ENGLISH}\nSent from my Galaxy\n\n{HISTORY['gmail_en']}") == ENGLISH


def test_an_answer_below_the_quote_is_kept() -> None:
    text = "On Fri, May 3, 2024 at 8:45 PM Help <help@example.com> wrote:\n> Which colour?\n\nBlue, please."

    assert visible_text(text) == "Blue, please."


def test_answers_between_quotes_keep_what_they_answer() -> None:
    text = "Hi,\n\nOn 3 May 2024, Help <help@example.com> wrote:\n> Which colour?\nBlue.\n> Which size?\nLarge."

    assert visible_text(text) == "Hi,\n\n> Which colour?\nBlue.\n> Which size?\nLarge."


def test_a_mail_of_quotes_alone_is_kept() -> None:
    assert visible_text("> only this") == "> only this"
    assert visible_text("") == ""


def test_only_so_many_lines_are_looked_at_closely() -> None:
    hostile = "On 2024 \n" * 100_000

    assert len(visible_text(f"words\n{hostile}")) < 250_000
