"""quixstreams: a stateful function with its state in RocksDB and a changelog topic."""

import sys
import tempfile

from quixstreams import Application

from bench.peers.work import count, decode, enrich

bootstrap, source, sink, changelog, group = sys.argv[1:]
app = Application(
    broker_address=bootstrap,
    consumer_group=group,
    auto_offset_reset="earliest",
    state_dir=tempfile.mkdtemp(),
    loglevel="WARNING",
    auto_create_topics=True,
    producer_extra_config={"enable.idempotence": True, "linger.ms": 5},
    consumer_extra_config={"fetch.wait.max.ms": 100},
)


def handle(value, state):
    event = decode(value)
    counted = count(state.get("counters"), event)
    state.set("counters", counted)
    return enrich(event, counted)


frame = app.dataframe(app.topic(source, value_deserializer="bytes", key_deserializer="str"))
frame = frame.apply(handle, stateful=True)
frame.to_topic(app.topic(sink, value_serializer="bytes", key_serializer="str"))
app.run()
