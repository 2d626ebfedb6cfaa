"""A real Dovecot with one account, started as an ordinary program: own folder, own port, no system service."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from imapclient import IMAPClient

from tests.service_process import free_port

USER, PASSWORD = "support", "a-password-of-the-mailbox"
_CONFIG = """
protocols = imap
listen = 127.0.0.1
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
ssl = required
ssl_cert = <{root}/server.pem
ssl_key = <{root}/server.pem
mail_location = maildir:{root}/mail
first_valid_uid = 1
mail_uid = {user}
mail_gid = {group}
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {internal}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={root}/home
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
"""


class DovecotServer:
    """Serves `USER`'s mailbox over TLS on a free port; use as a context manager."""

    def __init__(self) -> None:
        program = shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"])
        assert program is not None, "dovecot is not installed"
        self._program = program
        # Below the system's own folder for such: a test's folder is closed to the account mails belong to.
        self.root = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.root.chmod(0o755)
        self.port = free_port()
        self.tls = ssl.create_default_context()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        is_root = os.geteuid() == 0
        # Dovecot never serves root's mail; whoever else runs it serves his own.
        mail_uid, mail_gid = (65534, 65534) if is_root else (os.geteuid(), os.getegid())
        names = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        groups = subprocess.run(["id", "-gn"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("run", "state", "mail", "home"):
            (self.root / name).mkdir(mode=0o755)
        if is_root:
            for name in ("mail", "home"):
                os.chown(self.root / name, mail_uid, mail_gid)
        self._write_certificate()
        (self.root / "dovecot.conf").write_text(
            _CONFIG.format(
                root=self.root, user=mail_uid, group=mail_gid, port=self.port, password=PASSWORD,
                internal="dovecot" if is_root else names, internal_group="dovecot" if is_root else groups,
            )
        )  # fmt: skip
        self._process = subprocess.Popen([self._program, "-F", "-c", str(self.root / "dovecot.conf")])
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def client(self) -> IMAPClient:
        client = IMAPClient("127.0.0.1", port=self.port, ssl_context=self.tls, timeout=30)
        client.login(USER, PASSWORD)
        return client

    def append(self, *mails: bytes) -> None:
        client = self.client()
        for mail in mails:
            client.append("INBOX", mail)
        client.logout()

    def _wait(self) -> None:
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                assert self._process is not None
                assert self._process.poll() is None, self._said()
                time.sleep(0.05)
        raise AssertionError(f"dovecot does not listen\n{self._said()}")

    def _said(self) -> str:
        log = self.root / "dovecot.log"
        return log.read_text() if log.exists() else "nothing logged"

    def _write_certificate(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .sign(key, SHA256())
        )
        pem = certificate.public_bytes(Encoding.PEM)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.root / "server.pem").write_bytes(pem + private)
        self.tls.load_verify_locations(cadata=pem.decode())
