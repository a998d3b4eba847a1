import java.util.List;
import org.ringworld.actors.cluster.Node;
import org.ringworld.actors.cluster.NodeSettings;
import org.ringworld.cli.cluster.ClusterRuns;

/** Starts a node of a cluster; the arguments are its keys, such as port=25520. */
void main(String[] arguments) throws Exception {
    NodeSettings settings = NodeSettings.read(List.of(arguments));
    var system = Node.start(settings, new ClusterRuns());
    IO.println("node at " + settings.address());
    system.getWhenTerminated().toCompletableFuture().join();
}
