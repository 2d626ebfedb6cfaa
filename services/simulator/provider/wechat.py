"""WeChat official accounts in encrypted mode: AES-256-CBC with Tencent's padding, SHA-1 over sorted parts.

Source: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Message_encryption_and_decryption_instructions.html
Answers are not echoed to the account's server, so none are told here.
"""

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from services.simulator.life.model import Person, Said
from services.simulator.life.person import WECHAT_ACCOUNT, openid_of
from services.simulator.provider.model import Deliveries, Provider, Secrets, Signed, Unsigned, hex_id

_APP_ID = "wx00simulated00001"


def _say(person: Person, said: Said) -> Deliveries:
    if said.medium != "chat" or person.chat != "wechat" or said.speaker != "customer":
        return []
    key = f"{person.id}-m{said.turn}"
    xml = (
        f"<xml><ToUserName><![CDATA[{WECHAT_ACCOUNT}]]></ToUserName>"
        f"<FromUserName><![CDATA[{openid_of(person)}]]></FromUserName><CreateTime>{said.at_ms // 1000}</CreateTime>"
        f"<MsgType><![CDATA[text]]></MsgType><Content>{escape(said.text)}</Content>"
        f"<MsgId>{int(hex_id(key, size=7), 16)}</MsgId></xml>"
    )
    return [Unsigned(provider="wechat", key=key, body=xml.encode(), media_type="text/xml")]


def _sealed(message: bytes, aes_key: str, prefix: bytes) -> str:
    key = base64.b64decode(aes_key + "=")
    plain = prefix + len(message).to_bytes(4, "big") + message + _APP_ID.encode()
    pad = 32 - len(plain) % 32
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode()


def _sign(delivery: Unsigned, secrets: Secrets, _: str, now: datetime) -> Signed:
    prefix = hex_id(delivery.key, "prefix", size=8).encode()
    ciphertext = _sealed(delivery.body, secrets["encoding_aes_key"], prefix)
    timestamp, nonce = str(int(now.timestamp())), hex_id(delivery.key, "nonce", size=5)
    parts = "".join(sorted((secrets["token"], timestamp, nonce, ciphertext)))
    signature = hashlib.sha1(parts.encode()).hexdigest()  # noqa: S324 - the provider chose SHA-1
    body = (
        f"<xml><ToUserName><![CDATA[{WECHAT_ACCOUNT}]]></ToUserName><Encrypt><![CDATA[{ciphertext}]]></Encrypt></xml>"
    ).encode()
    query = urlencode({"msg_signature": signature, "timestamp": timestamp, "nonce": nonce, "encrypt_type": "aes"})
    return Signed(body=body, headers={"Content-Type": delivery.media_type}, query=query)


def _secrets(random_bytes: Callable[[int], bytes]) -> tuple[dict[str, str], dict[str, str]]:
    aes_key = base64.b64encode(random_bytes(32)).decode().rstrip("=")
    secrets = {"token": random_bytes(16).hex(), "encoding_aes_key": aes_key, "app_id": _APP_ID}
    return secrets, secrets


WECHAT = Provider(name="wechat", sign=_sign, make_secrets=_secrets, say=_say)
