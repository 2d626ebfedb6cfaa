"""Every provider of channels: what a connection to it needs, told in English and Chinese. Pure."""

from typing import Any, Final

from msgspec import Struct


class CredentialSpec(Struct, frozen=True, kw_only=True):
    """One credential of a connection. `is_secret` says whether it must be kept from people who look over a shoulder."""

    name: str
    required: bool
    is_secret: bool
    description_en: str
    description_zh: str


class ProviderSpec(Struct, frozen=True, kw_only=True):
    """`has_challenge`: the provider checks the address before its first delivery. `documentation` is a page of ours."""

    provider: str
    credentials: tuple[CredentialSpec, ...]
    has_challenge: bool
    documentation: str
    settings: tuple[str, ...] = ()


def _secret(name: str, en: str, zh: str, *, required: bool = True) -> CredentialSpec:
    return CredentialSpec(name=name, required=required, is_secret=True, description_en=en, description_zh=zh)


def _public(name: str, en: str, zh: str, *, required: bool = True) -> CredentialSpec:
    return CredentialSpec(name=name, required=required, is_secret=False, description_en=en, description_zh=zh)


def _provider(
    name: str, *credentials: CredentialSpec, has_challenge: bool = False, settings: tuple[str, ...] = ()
) -> ProviderSpec:
    return ProviderSpec(
        provider=name,
        credentials=credentials,
        has_challenge=has_challenge,
        documentation=f"docs/channels/{name}.md",
        settings=settings,
    )


def port_of(value: Any) -> int | None:
    """Return the port a setting means, a number or its digits; None when it is no port."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _PORT_DIGITS:
        value = int(value)
    is_port = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65_535
    return value if is_port else None


_PORT_DIGITS = 5
_MAIL = ("language", "own_addresses")
FILE_ONLY_SETTINGS: Final = frozenset({"listen_host", "listen_port", "tls_certificate", "tls_key"})
"""Settings that open a port or read a file of the machine ingest runs on: the operator's, never the API's."""

PROVIDERS: Final[dict[str, ProviderSpec]] = {
    spec.provider: spec
    for spec in (
        _provider(
            "twilio",
            _secret(
                "auth_token",
                "Auth token of the account, from the Twilio console's start page",
                "账户的 Auth Token，见 Twilio 控制台首页",
            ),
            settings=("default_region",),
        ),
        _provider(
            "amazon_connect",
            _public(
                "topic_arn",
                "ARN of the SNS topic that sends here, arn:aws:sns:…",
                "推送到此处的 SNS 主题的 ARN，形如 arn:aws:sns:…",
            ),
            has_challenge=True,
            settings=("default_region",),
        ),
        _provider(
            "genesys",
            _secret(
                "secret",
                "Outbound notification webhook signature secret token of the open messaging platform",
                "Open Messaging 平台的出站通知 Webhook 签名密钥",
            ),
        ),
        _provider(
            "smtp",
            _public(
                "recipients",
                "Addresses mail is taken for; @example.com takes a whole domain",
                "接收哪些收件地址的邮件；@example.com 表示整个域名",
                required=False,
            ),
            _secret("imap_password", "Password of the mailbox to poll", "要轮询的邮箱的密码", required=False),
            settings=(
                *_MAIL,
                "imap_host",
                "imap_port",
                "imap_username",
                "imap_folder",
                *sorted(FILE_ONLY_SETTINGS),
            ),
        ),
        _provider(
            "sendgrid",
            _public(
                "public_key",
                "Verification key of the signed event webhook or of inbound parse, base64",
                "事件 Webhook 或 Inbound Parse 签名验证公钥(base64)",
            ),
            settings=_MAIL,
        ),
        _provider(
            "mailgun",
            _secret(
                "signing_key", "HTTP webhook signing key, from API security", "HTTP Webhook 签名密钥，见 API 安全页"
            ),
            settings=_MAIL,
        ),
        _provider(
            "postmark",
            _public("username", "User name you put into the webhook's address", "写在 Webhook 地址中的用户名"),
            _secret("password", "Password you put into the webhook's address", "写在 Webhook 地址中的密码"),
            settings=_MAIL,
        ),
        _provider(
            "slack",
            _secret(
                "signing_secret",
                "Signing secret, from the app's Basic Information",
                "Signing Secret，见应用的 Basic Information",
            ),
            has_challenge=True,
        ),
        _provider(
            "meta",
            _secret(
                "app_secret", "App secret, from the app's basic settings", "应用密钥(App Secret)，见应用的基本设置"
            ),
            _secret(
                "verify_token",
                "A word you make up and type into the webhook's configuration too",
                "自拟的验证口令，与 Webhook 配置页所填一致",
            ),
            has_challenge=True,
        ),
        _provider(
            "line",
            _secret(
                "channel_secret", "Channel secret, from the channel's basic settings", "Channel secret，见频道基本设置"
            ),
        ),
        _provider(
            "telegram",
            _secret(
                "secret_token",
                "The secret_token you gave to setWebhook",
                "调用 setWebhook 时所填的 secret_token",
            ),
        ),
        _provider(
            "wechat",
            _secret("token", "Token of the server configuration", "公众号「服务器配置」中的令牌(Token)"),
            _secret(
                "encoding_aes_key",
                "EncodingAESKey, 43 characters; leave out for plaintext mode",
                "消息加解密密钥(EncodingAESKey),43 个字符；明文模式可不填",
                required=False,
            ),
            _public("app_id", "AppID of the official account, wx…", "公众号的 AppID，形如 wx…"),
            has_challenge=True,
        ),
        _provider(
            "wecom",
            _secret("token", "Token of the message reception's configuration", "「接收消息」配置中的 Token"),
            _secret("encoding_aes_key", "EncodingAESKey, 43 characters", "EncodingAESKey,43 个字符"),
            _public("corp_id", "Corporation id, ww…", "企业 ID(CorpID)，形如 ww…"),
            has_challenge=True,
        ),
        _provider(
            "intercom",
            _secret(
                "client_secret", "Client secret, from the app's basic information", "Client secret，见应用的基本信息"
            ),
            has_challenge=True,
        ),
        _provider(
            "zendesk",
            _secret("signing_secret", "Signing secret of the webhook", "Webhook 的签名密钥"),
            _secret(
                "conversations_secret",
                "Shared secret of a conversations integration's webhook; leave out without one",
                "Conversations 集成的 Webhook 共享密钥；没有可不填",
                required=False,
            ),
        ),
        _provider(
            "chatwoot",
            _secret("secret", "Secret shown with the webhook or the API inbox", "Webhook 或 API 收件箱页面显示的密钥"),
        ),
        _provider(
            "x",
            _secret("consumer_secret", "API key secret (consumer secret) of the app", "应用的 API Key Secret"),
            has_challenge=True,
        ),
        _provider(
            "mastodon",
            _secret("secret", "Secret shown with the instance's webhook", "实例 Webhook 页面显示的密钥"),
            settings=("account",),
        ),
        _provider(
            "bluesky",
            _secret("secret", "Secret your forwarder signs with", "转发程序签名所用的密钥"),
            settings=("account",),
        ),
        _provider(
            "standard_webhooks",
            _secret("secret", "Signing secret, whsec_ and base64", "签名密钥，whsec_ 开头，其后为 base64"),
        ),
        _provider(
            "cloudevents",
            _secret(
                "bearer_token",
                "Token the sender puts into Authorization: Bearer",
                "发送方放入 Authorization: Bearer 的令牌",
            ),
            has_challenge=True,
        ),
        _provider(
            "segment",
            _secret(
                "write_key",
                "Write key your library is given; make up a long one",
                "客户端库使用的 write key，自拟一个足够长的值",
            ),
        ),
    )
}
