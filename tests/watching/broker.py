"""What an administrator's tool does to a broker: quotas that make it slow, and members put out of their group.

Spoken by hand: aiokafka's admin client knows neither request.
"""

import asyncio
import socket
import struct

from aiokafka.admin import AIOKafkaAdminClient

_ALTER_CLIENT_QUOTAS, _LEAVE_GROUP = 49, 13


def throttle(port: int, client_id: str, bytes_per_s: float | None) -> None:
    """Let a client read no faster than this; None lifts the quota.

    Source: Kafka protocol guide, AlterClientQuotas request version 0.
    """
    entity = _array(_text("client-id") + _text(client_id))
    operation = _array(_text("consumer_byte_rate") + struct.pack(">d?", bytes_per_s or 0.0, bytes_per_s is None))
    answer = _ask(port, _ALTER_CLIENT_QUOTAS, _array(entity + operation) + struct.pack(">?", False))
    _throttle_ms, _n_entries, error = struct.unpack_from(">iih", answer)
    assert error == 0, f"the quota of {client_id} was refused: error {error}"


def expel(bootstrap: str, group: str) -> None:
    """Put every member out of its group, as a session that ran out would; nothing while the group has none.

    Source: Kafka protocol guide, LeaveGroup request version 0.
    """
    for member_id, _client_id in members(bootstrap, group):
        _ask(int(bootstrap.rpartition(":")[2]), _LEAVE_GROUP, _text(group) + _text(member_id))


def members(bootstrap: str, group: str) -> list[tuple[str, str]]:
    """Return member and client id of a group's members, none while it is being rebalanced."""

    async def ask() -> list[tuple[str, str]]:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            [answer] = await admin.describe_consumer_groups([group])
        finally:
            await admin.close()
        [(_error, _group, state, _type, _protocol, found, *_)] = answer.groups
        return [(member[0], member[1]) for member in found] if state == "Stable" else []

    return asyncio.run(ask())


def _ask(port: int, api_key: int, body: bytes) -> bytes:
    request = struct.pack(">hhi", api_key, 0, 1) + _text("pulseline-drill") + body
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        received = connection.makefile("rb")
        (size,) = struct.unpack(">i", received.read(4))
        return received.read(size)[4:]


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">h", len(encoded)) + encoded


def _array(*entries: bytes) -> bytes:
    return struct.pack(">i", len(entries)) + b"".join(entries)
