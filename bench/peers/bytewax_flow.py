"""bytewax: a stateful map with its recovery store, Kafka in and out."""

import pathlib
import sys
import tempfile
from datetime import timedelta

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main
from confluent_kafka import OFFSET_BEGINNING

from bench.peers.work import count, decode, enrich

bootstrap, source, sink, changelog, group = sys.argv[1:]


def handle(state, event):
    counted = count(state, event)
    return counted, KafkaSinkMessage(event["customer"].encode(), enrich(event, counted))


flow = Dataflow("counters")
source_of_events = KafkaSource([bootstrap], [source], starting_offset=OFFSET_BEGINNING, batch_size=3_000, tail=True)
records = op.input("in", flow, source_of_events)
events = op.map("decode", records, lambda record: (record.key.decode(), decode(record.value)))
counted = op.stateful_map("count", events, handle)
op.output("out", op.map("message", counted, lambda keyed: keyed[1]), KafkaSink([bootstrap], sink))
store = pathlib.Path(tempfile.mkdtemp())
init_db_dir(store, 1)
cli_main(flow, epoch_interval=timedelta(seconds=1), recovery_config=RecoveryConfig(str(store)))
