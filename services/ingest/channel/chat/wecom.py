"""WeCom (企业微信): always encrypted; the handshake's answer is the DECRYPTED `echostr`."""

from services.ingest.channel.chat.wechat_crypto import (
    body_to_read,
    ciphertext_of,
    document_root,
    echo_text,
    opened,
    require_signed,
)
from services.ingest.channel.chat.wechat_message import read_message
from services.ingest.channel.ports import (
    Channel,
    ChannelParse,
    ChannelRequest,
    ChannelResponse,
    Credentials,
    PayloadError,
    SignatureError,
)


class WeCom(Channel):
    name = "wecom"

    def challenge(self, request: ChannelRequest, credentials: Credentials) -> ChannelResponse | None:
        """Return what is sealed inside a signed `echostr`."""
        if request.method != "GET":
            return None
        try:
            return ChannelResponse(body=self._opened_echo(request, credentials))
        except SignatureError:
            return None

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        if request.method == "GET":
            self._opened_echo(request, credentials)
            return
        try:
            ciphertext = ciphertext_of(request.body)
        except PayloadError as error:
            raise SignatureError(error.reason) from error
        if ciphertext is None:
            raise SignatureError("the body holds nothing encrypted")
        require_signed(request, credentials, "msg_signature", ciphertext)
        opened(ciphertext, credentials, "corp_id")

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:
        parse = ChannelParse()
        if request.method == "GET" and not request.body:
            parse.ignore("handshake")
        else:
            read_message(request, document_root(body_to_read(request, credentials, "corp_id")), "wecom", parse)
        return parse

    def _opened_echo(self, request: ChannelRequest, credentials: Credentials) -> bytes:
        echo = echo_text(request)
        if echo is None:
            raise SignatureError("the URL needs echostr")
        require_signed(request, credentials, "msg_signature", echo)
        return opened(echo, credentials, "corp_id")
