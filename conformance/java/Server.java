import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.VENDOR.common.settings.Settings;
import org.VENDOR.env.Environment;
import org.VENDOR.node.InternalSettingsPreparer;
import org.VENDOR.node.Node;
import org.VENDOR.transport.Netty4Plugin;

/** A cluster of one node: its folder, the port for HTTP and the one for nodes. VENDOR is elasticsearch or opensearch. */
public final class Server {
    /** What the distribution's starter does without its scripts, security manager and plugins. */
    private static final class Single extends Node {
        Single(Environment environment) {
            super(environment, List.of(Netty4Plugin.class), false);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Settings settings = Settings.builder()
            .put("path.home", arguments[0])
            .put("http.port", arguments[1])
            .put("transport.port", arguments[2])
            .put("network.host", "127.0.0.1")
            .put("discovery.type", "single-node")
            .put("node.name", "one")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
        Environment environment =
            InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "one");
        Node node = new Single(environment);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (java.io.IOException ignored) {
                // It ends either way.
            }
        }));
        node.start();
        new CountDownLatch(1).await();
    }
}
