"""A mailbox over real IMAP sockets, as far as a reading client goes: LOGIN, EXAMINE, UID SEARCH, UID FETCH, IDLE."""

import asyncio
import re
import ssl


class MailboxServer:
    """Serves `mails` (UID → raw mail) in one folder; `validity` may be changed to void every UID."""

    def __init__(self, mails: dict[int, bytes], validity: int = 7, has_idle: bool = True) -> None:
        self.mails = mails
        self.validity = validity
        self.commands: list[str] = []
        self._has_idle = has_idle
        self._server: asyncio.Server | None = None

    async def start(self, tls: ssl.SSLContext | None = None) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        capability = "IMAP4rev1 IDLE" if self._has_idle else "IMAP4rev1"
        writer.write(f"* OK [CAPABILITY {capability}] ready\r\n".encode())
        while line := (await reader.readline()).decode().strip():
            tag, _, command = line.partition(" ")
            self.commands.append(command)
            for answer in self._answers(command.upper(), command, capability):
                writer.write(answer)
            if command.upper() == "IDLE":
                await reader.readline()
            writer.write(f"{tag} OK done\r\n".encode())
            await writer.drain()
        writer.close()

    def _answers(self, upper: str, command: str, capability: str) -> list[bytes]:
        if upper.startswith("CAPABILITY"):
            return [f"* CAPABILITY {capability}\r\n".encode()]
        if upper.startswith("EXAMINE"):
            state = f"* {len(self.mails)} EXISTS\r\n* OK [UIDVALIDITY {self.validity}] valid\r\n"
            return [f"{state}* OK [UIDNEXT {max(self.mails, default=0) + 1}] next\r\n".encode()]
        if upper.startswith("UID SEARCH"):
            return [b"* SEARCH " + " ".join(map(str, self.mails)).encode() + b"\r\n"]
        if upper.startswith("UID FETCH"):
            uid = int(re.findall(r"\d+", command)[0])
            return [self._fetched(uid, "RFC822.SIZE" in upper)]
        return [b"+ idling\r\n* 9 EXISTS\r\n"] if upper == "IDLE" else []

    def _fetched(self, uid: int, is_size: bool) -> bytes:
        raw = self.mails[uid]
        content = f"RFC822.SIZE {len(raw)}".encode() if is_size else f"BODY[] {{{len(raw)}}}\r\n".encode() + raw
        return f"* {uid} FETCH (UID {uid} ".encode() + content + b")\r\n"
