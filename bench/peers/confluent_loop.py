"""A bare confluent-kafka loop: librdkafka's consumer and producer, batches of 3,000."""

import sys

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.peers.work import count, decode, encode, enrich


def produce(producer, topic, partition, messages):
    for key, value in messages:
        while True:
            try:
                producer.produce(topic, value, key, partition)
                break
            except BufferError:
                producer.poll(0.01)


def main(bootstrap, source, sink, changelog, group):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 100,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 0,
            "queue.buffering.max.messages": 200_000,
        }
    )
    consumer.subscribe([source])
    states = {}
    while True:
        records = consumer.consume(3_000, 0.1)
        if not records:
            continue
        touched, outputs, ends = {}, {}, {}
        for record in records:
            key, partition = record.key(), record.partition()
            event = decode(record.value())
            state = count(states.get(key), event)
            states[key] = touched[partition, key] = state
            outputs.setdefault(partition, []).append((key, enrich(event, state)))
            ends[partition] = record.offset() + 1
        for partition, messages in outputs.items():
            produce(producer, sink, partition, messages)
        producer.flush()
        for (partition, key), state in touched.items():
            produce(producer, changelog, partition, [(key, encode(state))])
        producer.flush()
        consumer.commit(offsets=[TopicPartition(source, place, end) for place, end in ends.items()], asynchronous=False)


main(*sys.argv[1:])
