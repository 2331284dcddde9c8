package tongbo.benchmarks;

import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.state.Stores;

/**
 * The contender: the aggregator's job in Kafka Streams. Runs a first pass over part of the topic, so that the measured
 * one finds a warm JVM, then the measured one until it is told to end.
 */
public final class Main {
    private static final int THREADS = 2;
    private static final long COMMIT_MS = Long.getLong("commit.ms", 1_000);

    private final String bootstrap;
    private final String feedback;
    private final String guarantee;
    private final Path state;

    private Main(String bootstrap, String feedback, String guarantee, Path state) {
        this.bootstrap = bootstrap;
        this.feedback = feedback;
        this.guarantee = guarantee;
        this.state = state;
    }

    /** bootstrap, feedback topic, guarantee, state folder; application and output of the warm pass, its events; of the measured. */
    public static void main(String[] args) throws InterruptedException {
        Main main = new Main(args[0], args[1], args[2], Path.of(args[3]));
        main.warm(args[4], args[5], Long.parseLong(args[6]));
        KafkaStreams streams = main.streams(args[7], args[8], new LongAdder());
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close();
            ended.countDown();
        }));
        System.out.println("measured pass started");
        streams.start();
        ended.await();
    }

    private void warm(String application, String output, long events) throws InterruptedException {
        LongAdder folded = new LongAdder();
        KafkaStreams streams = streams(application, output, folded);
        System.out.println("warm pass started: " + events + " events");
        streams.start();
        while (folded.sum() < events) {
            Thread.sleep(20);
        }
        streams.close();
        streams.cleanUp();
        System.out.println("warm after " + folded.sum());
    }

    private KafkaStreams streams(String application, String output, LongAdder folded) {
        KafkaStreams streams = new KafkaStreams(topology(output, folded), properties(application));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return null;
        });
        return streams;
    }

    private Topology topology(String output, LongAdder folded) {
        Topology topology = new Topology();
        topology.addSource("feedback", new ByteArrayDeserializer(), new ByteArrayDeserializer(), feedback);
        topology.addProcessor("aggregate", () -> new Aggregator(folded), "feedback");
        // The heap cache above them coalesces; a second cache inside would only copy.
        for (String name : new String[] {Aggregator.ROWS, Aggregator.ITEMS}) {
            topology.addStateStore(
                    Stores.keyValueStoreBuilder(
                                    Stores.persistentKeyValueStore(name), Serdes.Bytes(), Serdes.ByteArray())
                            .withCachingDisabled()
                            .withLoggingEnabled(java.util.Map.of()),
                    "aggregate");
        }
        topology.addStateStore(new BeforeCommit.Builder(), "aggregate");
        topology.addSink("rows", output, new ByteArraySerializer(), new ByteArraySerializer(),
                (topic, key, value, partitions) -> java.util.Optional.empty(), "aggregate");
        return topology;
    }

    private Properties properties(String application) {
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, guarantee);
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, THREADS);
        properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, COMMIT_MS);
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        properties.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 5_000);
        properties.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, BoundedRocks.class);
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 4_000);
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 2 * 1024 * 1024);
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.RECEIVE_BUFFER_CONFIG), 1024 * 1024);
        // It does not leave its group when it ends: the next run would wait for the 45 s that are usual.
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), 6_000);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 * 1024);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 50);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.SEND_BUFFER_CONFIG), 1024 * 1024);
        return properties;
    }
}
