import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.VENDOR.common.settings.Settings;
import org.VENDOR.env.Environment;
import org.VENDOR.node.InternalSettingsPreparer;
import org.VENDOR.node.Node;
import org.VENDOR.plugins.Plugin;
import org.VENDOR.transport.Netty4Plugin;

/** A node with these settings (NAME=VALUE) and plugins (plugin=CLASS). VENDOR is elasticsearch or opensearch. */
public final class Server {
    /** What the distribution's starter does without its scripts, security manager and folders of plugins. */
    private static final class Started extends Node {
        Started(Environment environment, List<Class<? extends Plugin>> plugins) {
            super(environment, plugins, false);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Settings.Builder settings = Settings.builder();
        List<Class<? extends Plugin>> plugins = new ArrayList<>();
        plugins.add(Netty4Plugin.class);
        for (String argument : arguments) {
            String[] pair = argument.split("=", 2);
            if (pair[0].equals("plugin")) {
                plugins.add(Class.forName(pair[1]).asSubclass(Plugin.class));
            } else {
                settings.put(pair[0], pair[1]);
            }
        }
        Settings all = settings.build();
        Environment environment =
            InternalSettingsPreparer.prepareEnvironment(all, Map.of(), null, () -> all.get("node.name"));
        Node node = new Started(environment, plugins);
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
