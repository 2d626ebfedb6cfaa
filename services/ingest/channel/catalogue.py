"""Every provider by name: the one list that a new adapter is added to."""

from services.ingest.channel.chat.chatwoot import Chatwoot
from services.ingest.channel.chat.genesys import Genesys
from services.ingest.channel.chat.intercom import Intercom
from services.ingest.channel.chat.line import Line
from services.ingest.channel.chat.meta import Meta
from services.ingest.channel.chat.slack import Slack
from services.ingest.channel.chat.telegram import Telegram
from services.ingest.channel.chat.wechat import WeChat
from services.ingest.channel.chat.wecom import WeCom
from services.ingest.channel.chat.zendesk import Zendesk
from services.ingest.channel.email.mailgun import Mailgun
from services.ingest.channel.email.postmark import Postmark
from services.ingest.channel.email.sendgrid import SendGrid
from services.ingest.channel.email.smtp import Smtp
from services.ingest.channel.generic.cloudevents import CloudEvents
from services.ingest.channel.generic.segment import Segment
from services.ingest.channel.generic.standard_webhooks import StandardWebhooks
from services.ingest.channel.phone.amazon_connect import AmazonConnect
from services.ingest.channel.phone.twilio import Twilio
from services.ingest.channel.ports import Channel
from services.ingest.channel.social.bluesky import Bluesky
from services.ingest.channel.social.mastodon import Mastodon
from services.ingest.channel.social.x import X

PROVIDERS: dict[str, Channel] = {
    channel.name: channel
    for channel in (
        Twilio(),
        AmazonConnect(),
        Genesys(),
        Smtp(),
        SendGrid(),
        Mailgun(),
        Postmark(),
        Slack(),
        Meta(),
        Line(),
        Telegram(),
        WeChat(),
        WeCom(),
        Intercom(),
        Zendesk(),
        Chatwoot(),
        X(),
        Mastodon(),
        Bluesky(),
        StandardWebhooks(),
        CloudEvents(),
        Segment(),
    )
}

ALIASES = {
    "meta_whatsapp": "meta",
    "meta_messenger": "meta",
    "meta_instagram": "meta",
    "whatsapp": "meta",
    "messenger": "meta",
    "instagram": "meta",
    "wechat_oa": "wechat",
    "twitter": "x",
    "email": "smtp",
}

CREDENTIALS: dict[str, tuple[str, ...]] = {
    "twilio": ("auth_token",),
    "amazon_connect": ("topic_arn",),
    "genesys": ("secret",),
    "smtp": ("recipients",),
    "sendgrid": ("public_key",),
    "mailgun": ("signing_key",),
    "postmark": ("username", "password"),
    "slack": ("signing_secret",),
    "meta": ("app_secret", "verify_token"),
    "line": ("channel_secret",),
    "telegram": ("secret_token",),
    "wechat": ("token", "encoding_aes_key", "app_id"),
    "wecom": ("token", "encoding_aes_key", "corp_id"),
    "intercom": ("client_secret",),
    "zendesk": ("signing_secret", "conversations_secret"),
    "chatwoot": ("secret",),
    "x": ("consumer_secret",),
    "mastodon": ("secret",),
    "bluesky": ("secret",),
    "standard_webhooks": ("secret",),
    "cloudevents": ("bearer_token",),
    "segment": ("write_key",),
}
"""The credentials each provider's connection has; `encoding_aes_key` is left out for WeChat's plaintext mode,
`conversations_secret` without Zendesk's messaging webhooks."""

CHANNELS: dict[str, Channel] = {**PROVIDERS, **{alias: PROVIDERS[name] for alias, name in ALIASES.items()}}
