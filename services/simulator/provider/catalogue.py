"""Every provider the simulator speaks, by name."""

from collections.abc import Mapping
from typing import Final

from services.simulator.provider.chat import LINE, META, SLACK, TELEGRAM
from services.simulator.provider.desk import CHATWOOT, INTERCOM, ZENDESK
from services.simulator.provider.mail import MAILGUN, POSTMARK, SENDGRID
from services.simulator.provider.model import Provider
from services.simulator.provider.segment import SEGMENT
from services.simulator.provider.twilio import TWILIO
from services.simulator.provider.wechat import WECHAT

PROVIDERS: Final[Mapping[str, Provider]] = {
    provider.name: provider
    for provider in (
        TWILIO,
        SENDGRID,
        MAILGUN,
        POSTMARK,
        SLACK,
        META,
        LINE,
        TELEGRAM,
        WECHAT,
        ZENDESK,
        INTERCOM,
        CHATWOOT,
        SEGMENT,
    )
}
