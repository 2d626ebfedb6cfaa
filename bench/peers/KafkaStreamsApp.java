/* Kafka Streams: the Processor API, one thread, a store in memory with its changelog, commits every second.

   A sixth argument is the processing guarantee: "at_least_once", or "exactly_once_v2", which makes each commit a
   transaction over outputs, changelog and offsets. */

import com.fasterxml.jackson.annotation.JsonAutoDetect;
import com.fasterxml.jackson.annotation.PropertyAccessor;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

public final class KafkaStreamsApp {
    private static final String STORE = "counters";
    private static final ObjectMapper JSON =
            new ObjectMapper().setVisibility(PropertyAccessor.FIELD, JsonAutoDetect.Visibility.ANY);

    static final class Event {
        String id, customer, channel, text;
        long at_ms;
    }

    static final class Counters {
        long n, last_at_ms;
        Map<String, Integer> channels = new HashMap<>();
    }

    static final class Enriched {
        Event event;
        Counters engagement;
    }

    static byte[] encode(Object value) {
        try {
            return JSON.writeValueAsBytes(value);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    static <T> T decode(byte[] bytes, Class<T> type) {
        try {
            return JSON.readValue(bytes, type);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    static final class Counting implements Processor<String, byte[], String, byte[]> {
        private ProcessorContext<String, byte[]> context;
        private KeyValueStore<String, Counters> store;

        @Override
        public void init(ProcessorContext<String, byte[]> context) {
            this.context = context;
            this.store = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<String, byte[]> record) {
            Event event = decode(record.value(), Event.class);
            Counters counters = store.get(record.key());
            if (counters == null) {
                counters = new Counters();
            }
            counters.n += 1;
            counters.channels.merge(event.channel, 1, Integer::sum);
            counters.last_at_ms = Math.max(counters.last_at_ms, event.at_ms);
            store.put(record.key(), counters);
            Enriched enriched = new Enriched();
            enriched.event = event;
            enriched.engagement = counters;
            context.forward(record.withValue(encode(enriched)));
        }
    }

    public static void main(String[] arguments) throws IOException {
        String bootstrap = arguments[0], source = arguments[1], sink = arguments[2], group = arguments[4];
        String guarantee = arguments.length > 5 ? arguments[5] : "at_least_once";
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("application.id", group);
        settings.put("state.dir", Files.createTempDirectory("kafka-streams").toString());
        settings.put("num.stream.threads", "1");
        settings.put("processing.guarantee", guarantee);
        settings.put("commit.interval.ms", "1000");
        settings.put("main.consumer.auto.offset.reset", "earliest");
        settings.put("main.consumer.max.poll.records", "3000");
        settings.put("main.consumer.fetch.max.wait.ms", "100");
        settings.put("producer.batch.size", String.valueOf(1 << 17));

        Serializer<Counters> serializer = (topic, value) -> value == null ? null : encode(value);
        Deserializer<Counters> deserializer = (topic, bytes) -> bytes == null ? null : decode(bytes, Counters.class);
        Serde<Counters> counters = Serdes.serdeFrom(serializer, deserializer);
        Serde<String> keys = Serdes.String();
        Serde<byte[]> values = Serdes.ByteArray();
        Topology topology = new Topology();
        topology.addSource("in", keys.deserializer(), values.deserializer(), source);
        topology.addProcessor("count", Counting::new, "in");
        // With the cache a customer's counters go to the changelog once a commit, not once an event.
        topology.addStateStore(
                Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), keys, counters).withCachingEnabled(),
                "count");
        topology.addSink("out", sink, keys.serializer(), values.serializer(), "count");
        KafkaStreams streams = new KafkaStreams(topology, settings);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
