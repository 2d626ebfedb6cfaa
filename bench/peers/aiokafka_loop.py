"""A bare aiokafka loop with whole batches: what any Python engine on aiokafka can reach at best."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.peers.work import count, decode, encode, enrich
from shared import event_loop


async def send(producer, topic, partition, messages):
    acks, builder = [], producer.create_batch()
    for key, value in messages:
        if builder.append(key=key, value=value, timestamp=None) is None:
            acks.append(await producer.send_batch(builder, topic, partition=partition))
            builder = producer.create_batch()
            builder.append(key=key, value=value, timestamp=None)
    acks.append(await producer.send_batch(builder, topic, partition=partition))
    return acks


async def main(bootstrap, source, sink, changelog, group):
    consumer = AIOKafkaConsumer(
        source,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=1 << 20,
        fetch_max_wait_ms=100,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=0, max_batch_size=1 << 20
    )
    await consumer.start()
    await producer.start()
    states = {}
    while True:
        for place, records in (await consumer.getmany(timeout_ms=200, max_records=3_000)).items():
            touched, outputs = {}, []
            for record in records:
                event = decode(record.value)
                state = count(states.get(record.key), event)
                states[record.key] = touched[record.key] = state
                outputs.append((record.key, enrich(event, state)))
            await asyncio.gather(*await send(producer, sink, place.partition, outputs))
            rows = [(key, encode(state)) for key, state in touched.items()]
            await asyncio.gather(*await send(producer, changelog, place.partition, rows))
            await consumer.commit({TopicPartition(place.topic, place.partition): records[-1].offset + 1})


event_loop.run(main(*sys.argv[1:]))
