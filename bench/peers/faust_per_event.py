"""Faust as its manual shows it: an agent over events and a Table."""

import asyncio
import sys
import tempfile

import faust

from bench.peers.work import count, decode, enrich

bootstrap, source, sink, changelog, group = sys.argv[1:]


async def main():
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap}",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        datadir=tempfile.mkdtemp(),
        topic_partitions=4,
        consumer_auto_offset_reset="earliest",
        producer_linger_ms=5,
        value_serializer="raw",
        key_serializer="raw",
    )
    topic = app.topic(source, key_serializer="raw", value_serializer="raw", key_type=bytes, value_type=bytes)
    output = app.topic(sink, key_serializer="raw", value_serializer="raw", key_type=bytes, value_type=bytes)
    table = app.Table("counters", partitions=4, key_type=str, value_type=dict)

    @app.agent(topic)
    async def handle(stream):
        async for value in stream:
            event = decode(value)
            key = event["customer"]
            state = count(table.get(key), event)
            table[key] = state
            await output.send(key=key.encode(), value=enrich(event, state))

    app.finalize()
    await app.start()
    await asyncio.sleep(3600)


asyncio.run(main())
