"""WeChat official accounts, in plaintext, compatible and encrypted mode.

In plaintext mode the signature covers token, timestamp and nonce, NOT the body: prefer encrypted mode. With an
`encoding_aes_key` set, a plaintext delivery is refused, so nobody can fall back to the weaker proof.
"""

from services.ingest.channel.chat.wechat_crypto import (
    body_to_read,
    ciphertext_of,
    document_root,
    echo_bytes,
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
    setting,
)


class WeChat(Channel):
    name = "wechat"

    def challenge(self, request: ChannelRequest, credentials: Credentials) -> ChannelResponse | None:
        """Return `echostr` as it is, when its signature is ours."""
        echo = request.parameter("echostr")
        if request.method != "GET" or not echo:
            return None
        try:
            require_signed(request, credentials, "signature")
        except SignatureError:
            return None
        return ChannelResponse(body=echo_bytes(echo))

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        ciphertext = None
        if request.body:
            try:
                ciphertext = ciphertext_of(request.body)
            except PayloadError as error:
                raise SignatureError(error.reason) from error
        if ciphertext is not None:
            require_signed(request, credentials, "msg_signature", ciphertext)
            opened(ciphertext, credentials, "app_id")
        elif request.method != "GET" and setting(credentials, "encoding_aes_key"):
            raise SignatureError("an encrypted connection takes no plaintext")
        else:
            require_signed(request, credentials, "signature")

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:
        parse = ChannelParse()
        if request.method == "GET" and not request.body:
            parse.ignore("handshake")
        else:
            body = body_to_read(request, credentials, "app_id")
            read_message(request, document_root(body), "wechat", parse)
        return parse
