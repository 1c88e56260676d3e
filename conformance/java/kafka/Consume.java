import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Prints every message of some topics, from the first on: the topic, a tab, the value. Never ends. */
public final class Consume {
    public static void main(String[] arguments) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        properties.put("allow.auto.create.topics", "false");
        properties.put("reconnect.backoff.max.ms", "500");
        properties.put("key.deserializer", StringDeserializer.class.getName());
        properties.put("value.deserializer", StringDeserializer.class.getName());
        Set<TopicPartition> known = new HashSet<>();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties)) {
            long looked = 0;
            while (true) {
                // Topics are made when the first message comes.
                if (System.nanoTime() - looked > 1_000_000_000L) {
                    looked = System.nanoTime();
                    look(consumer, arguments, known);
                }
                if (known.isEmpty()) {
                    sleep();
                    continue;
                }
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    if (record.key() != null) {
                        throw new IllegalStateException("a key: " + record.key());
                    }
                    System.out.print(record.topic() + "\t" + record.value() + "\n");
                }
                System.out.flush();
            }
        }
    }

    private static void look(KafkaConsumer<String, String> consumer, String[] arguments, Set<TopicPartition> known) {
        List<TopicPartition> found = new ArrayList<>();
        try {
            for (int n = 1; n < arguments.length; n++) {
                for (PartitionInfo partition : consumer.partitionsFor(arguments[n], Duration.ofSeconds(5))) {
                    found.add(new TopicPartition(partition.topic(), partition.partition()));
                }
            }
        } catch (org.apache.kafka.common.KafkaException unavailable) {
            return;
        }
        // Those that were read go on where they were.
        if (known.addAll(found)) {
            consumer.assign(known);
        }
    }

    private static void sleep() {
        try {
            Thread.sleep(200);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
