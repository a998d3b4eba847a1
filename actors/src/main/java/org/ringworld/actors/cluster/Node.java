package org.ringworld.actors.cluster;

import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.apache.pekko.actor.BootstrapSetup;
import org.apache.pekko.actor.setup.ActorSystemSetup;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.SupervisorStrategy;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.cluster.Member;
import org.apache.pekko.cluster.MemberStatus;
import org.apache.pekko.cluster.typed.Cluster;
import org.apache.pekko.cluster.typed.ClusterSingleton;
import org.apache.pekko.cluster.typed.Down;
import org.apache.pekko.cluster.typed.SelfUp;
import org.apache.pekko.cluster.typed.SingletonActor;
import org.apache.pekko.cluster.typed.Subscribe;
import org.apache.pekko.management.cluster.bootstrap.ClusterBootstrap;
import org.apache.pekko.management.javadsl.PekkoManagement;
import org.ringworld.actors.Faults;
import org.ringworld.actors.cluster.tls.ArteryTls;
import org.ringworld.actors.cluster.tls.Tls;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.OpenJobs;
import org.ringworld.actors.device.ThreadPriority;
import org.ringworld.actors.device.WarmUp;
import org.ringworld.actors.http.HttpFront;
import org.ringworld.actors.http.HttpSettings;
import org.ringworld.actors.http.ServedTexts;
import org.ringworld.actors.links.Links;
import org.ringworld.actors.queue.JobQueue;
import org.ringworld.actors.queue.JobRuns;
import org.ringworld.actors.queue.TrainingGauges;
import org.ringworld.actors.serving.Fronts;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Devices;

/**
 * One process of a cluster: its devices, where they take links, and its part in the keeping of the
 * queue. A node that the cluster has taken out ends its JVM; whoever started it starts it again.
 */
public final class Node extends AbstractBehavior<Node.Command> {
    /** What it is told. */
    public sealed interface Command {}

    private record Joined() implements Command {}

    private record Warm() implements Command {}

    private record StillAlone(Duration since) implements Command {}

    /** Just now no link would end with another process, should it die. */
    private record Unsure() implements Command {}

    private record Probe() implements Command {}

    /**
     * A process that is killed may close its links some time before its socket refuses, and another
     * one be killed while there is no ring that could break.
     */
    private static final int PROBES = 25;

    private static final Duration BETWEEN_PROBES = Duration.ofMillis(200);

    private static final Duration SAYS_WHOM_IT_WAITS_FOR = Duration.ofSeconds(10);

    private static final int SECONDS_BEHIND_OTHERS = 30;

    private final NodeSettings settings;
    private final OpenJobs host;
    private final Links links;
    private final ActorRef<JobQueue.Command> queue;
    private final List<ActorRef<DeviceActor.Command>> devices = new ArrayList<>();
    private final Runnable raise;

    private boolean member;
    private boolean warm;

    /** How often the others will still be asked whether they live. */
    private int probes;

    /**
     * Starts a node, behind the work of other processes on this host where the system allows that:
     * starting Java costs some fifteen seconds of processor time, and a ring that trains there
     * gains nothing from it yet.
     *
     * @throws IOException where a port or a file cannot be had
     */
    public static ActorSystem<Command> start(NodeSettings settings, JobRuns runs)
            throws IOException {
        Runnable raise = ThreadPriority.lowerAll(SECONDS_BEHIND_OTHERS);
        Files.createDirectories(settings.queue());
        requireFreePorts(settings);
        Tls tls = settings.tls() == null ? null : Tls.ofNode(settings.tls());
        PrometheusMeterRegistry meters = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        CompletableFuture<Void> started = new CompletableFuture<>();
        ActorSystemSetup setup = ActorSystemSetup.create(BootstrapSetup.create(settings.toPekko()));
        if (tls != null) {
            setup = setup.withSetup(ArteryTls.setup(tls, settings.peers()));
        }
        ActorSystem<Command> system =
                ActorSystem.create(
                        guardian(settings, runs, tls, raise, meters, started),
                        settings.cluster(),
                        setup);
        try {
            started.join();
            HealthPort.open(settings, system, meters);
            PekkoManagement management = PekkoManagement.get(system);
            if (tls == null) {
                management.start().toCompletableFuture().join();
            } else {
                tls.useForBootstrap(system);
                management
                        .start(s -> s.withHttpsConnectionContext(tls.server("bootstrap")))
                        .toCompletableFuture()
                        .join();
            }
        } catch (CompletionException e) {
            throw new IOException(
                    "the node at %s does not start: %s"
                            .formatted(settings.address(), Faults.sentence(e.getCause())),
                    e.getCause());
        }
        ClusterBootstrap.get(system).start();
        return system;
    }

    /** Found out here, the fault has a name; later it would be one actor's among others. */
    private static void requireFreePorts(NodeSettings settings) throws IOException {
        String[] purposes = {"other nodes", "links", "control", "health", "bootstrap"};
        for (int i = 0; i < purposes.length; i++) {
            requireFree(
                    settings.host(),
                    settings.port() + i,
                    purposes[i],
                    "a node takes five from port = %d on".formatted(settings.port()));
        }
        HttpSettings http = settings.http();
        requireFree(http.host(), http.port(), "HTTP", "give another http.port=");
    }

    private static void requireFree(String host, int port, String purpose, String advice)
            throws IOException {
        try (ServerSocket socket = new ServerSocket()) {
            socket.bind(new InetSocketAddress(host, port));
        } catch (IOException e) {
            throw new IOException(
                    "port %d at %s, for %s, cannot be had: %s; %s"
                            .formatted(port, host, purpose, e.getMessage(), advice),
                    e);
        }
    }

    /** The guardian; whoever starts the node hears why it could not. */
    private static Behavior<Command> guardian(
            NodeSettings settings,
            JobRuns runs,
            Tls tls,
            Runnable raise,
            PrometheusMeterRegistry meters,
            CompletableFuture<Void> started) {
        return Behaviors.setup(
                context -> {
                    try {
                        Behavior<Command> node =
                                new Node(context, settings, runs, tls, raise, meters);
                        started.complete(null);
                        return node;
                    } catch (IOException | RuntimeException e) {
                        started.completeExceptionally(e);
                        return Behaviors.empty(); // until its JVM ends
                    }
                });
    }

    private Node(
            ActorContext<Command> context,
            NodeSettings settings,
            JobRuns runs,
            Tls tls,
            Runnable raise,
            PrometheusMeterRegistry meters)
            throws IOException {
        super(context);
        this.raise = raise;
        context.scheduleOnce(
                SAYS_WHOM_IT_WAITS_FOR, context.getSelf(), new StillAlone(SAYS_WHOM_IT_WAITS_FOR));
        this.settings = settings;
        this.host = new OpenJobs(runs);
        Cluster cluster = Cluster.get(context.getSystem());
        String process = cluster.selfMember().uniqueAddress().toString();
        this.links =
                Links.listen(
                        process,
                        settings.host(),
                        settings.linksPort(),
                        settings.sockets(),
                        tls == null ? null : tls.context());
        this.queue =
                ClusterSingleton.get(context.getSystem())
                        .init(
                                SingletonActor.of(
                                        Behaviors.supervise(
                                                        JobQueue.create(
                                                                settings.queue(),
                                                                settings.cluster(),
                                                                runs,
                                                                host,
                                                                new TrainingGauges(meters)))
                                                .onFailure(
                                                        SupervisorStrategy.restartWithBackoff(
                                                                Duration.ofSeconds(1),
                                                                Duration.ofSeconds(30),
                                                                0)),
                                        "queue"));
        List<Device> opened = Devices.open(settings.devices());
        for (int i = 0; i < opened.size(); i++) {
            devices.add(
                    context.spawn(
                            DeviceActor.create(
                                    i,
                                    opened.get(i),
                                    links,
                                    host,
                                    () -> context.getSelf().tell(new Unsure())),
                            "device-" + i));
        }
        cluster.subscriptions()
                .tell(
                        Subscribe.create(
                                context.messageAdapter(SelfUp.class, up -> new Joined()),
                                SelfUp.class));
        context.spawn(
                WarmUp.create(devices, host, links, () -> context.getSelf().tell(new Warm())),
                "warm-up");
        Control.start(context.getSystem(), settings, queue, tls);
        ServedTexts texts = new ServedTexts();
        HttpFront http = HttpFront.open(context.getSystem(), settings.http(), texts, meters);
        context.spawn(Fronts.create(texts, http.url(), runs::served), "fronts");
        new Leaving(context.getSystem(), queue, List.copyOf(devices), links, http).prepare();
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Joined.class, message -> onJoined())
                .onMessage(Warm.class, message -> onWarm())
                .onMessage(StillAlone.class, this::onStillAlone)
                .onMessage(Unsure.class, message -> onUnsure())
                .onMessage(Probe.class, message -> onProbe())
                .build();
    }

    /** A node whose files are others than the cluster's would only fail its jobs. */
    private Behavior<Command> onJoined() throws IOException {
        Path marker = settings.queue().resolve(".cluster");
        Cluster cluster = Cluster.get(getContext().getSystem());
        List<Member> members = new ArrayList<>();
        cluster.state().getMembers().forEach(members::add);
        // What the first node is told of itself may lag behind: then it knows of nobody yet.
        if (members.size() <= 1) {
            Files.writeString(marker, settings.cluster());
        } else if (!Files.exists(marker)) {
            getContext()
                    .getLog()
                    .error(
                            "queue = {} is not the cluster's: what its other nodes wrote there is not here. This node's devices are not used; let it reach the same directory",
                            settings.queue());
            return this;
        }
        member = true;
        offerDevices();
        getContext()
                .getLog()
                .info(
                        "member of {} with {} nodes; jobs are taken at {}:{}",
                        settings.cluster(),
                        Math.max(1, members.size()), // its own join may not have come yet
                        settings.uriHost(),
                        settings.port());
        return this;
    }

    private Behavior<Command> onWarm() {
        warm = true;
        offerDevices();
        return this;
    }

    /** Jobs may have them when their code is compiled: a cold one would hold up its ring. */
    private void offerDevices() {
        if (member && warm) {
            raise.run();
            devices.forEach(
                    d ->
                            getContext()
                                    .getSystem()
                                    .receptionist()
                                    .tell(Receptionist.register(JobQueue.DEVICES, d)));
        }
    }

    /** Again after as long as it has waited: a log of a day has a dozen lines of it. */
    private Behavior<Command> onStillAlone(StillAlone alone) {
        if (Cluster.get(getContext().getSystem()).selfMember().status() == MemberStatus.removed()) {
            getContext().getLog().info("{}", settings.waitsFor());
            getContext()
                    .scheduleOnce(
                            alone.since,
                            getContext().getSelf(),
                            new StillAlone(alone.since.multipliedBy(2)));
        }
        return this;
    }

    private Behavior<Command> onUnsure() {
        boolean asking = probes > 0;
        probes = PROBES;
        return asking ? this : onProbe();
    }

    /** A process of this host that is dead is taken out now, not after seconds of silence. */
    private Behavior<Command> onProbe() {
        Cluster cluster = Cluster.get(getContext().getSystem());
        for (Member member : cluster.state().getMembers()) {
            String process = member.uniqueAddress().toString();
            String on = member.address().getHost().orElse("");
            boolean other = !member.equals(cluster.selfMember());
            if (other && member.status() != MemberStatus.down() && links.isDead(process, on)) {
                getContext().getLog().warn("{} is dead: its socket refuses", member.address());
                cluster.manager().tell(new Down(member.address()));
            }
        }
        if (--probes > 0) {
            getContext().scheduleOnce(BETWEEN_PROBES, getContext().getSelf(), new Probe());
        }
        return this;
    }
}
