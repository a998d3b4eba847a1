package org.ringworld.actors;

import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.ringworld.actors.cluster.ClusterClient;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.device.OpenJobs;
import org.ringworld.actors.job.Coordinator;
import org.ringworld.actors.job.Epochs;
import org.ringworld.actors.job.Run;
import org.ringworld.actors.links.Links;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.training.rank.OpenJob;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.Devices;
import org.ringworld.runtime.cpu.MachineLimits;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.Tokenizer;

/** A job that trains in this JVM, on a ring of its devices. */
public final class Training implements AutoCloseable {
    private final ActorSystem<Progress> system;
    private final CompletableFuture<ActorRef<Coordinator.Command>> coordinator =
            new CompletableFuture<>();
    private final CompletableFuture<Progress> end = new CompletableFuture<>();

    /**
     * Trains a job to its end, or goes on where an earlier run of it stopped.
     *
     * @param listener hears what happens, one thing at a time
     * @return how it ended: Completed, Interrupted or Failed
     * @throws IOException where the output is another job's or cannot be written, or the data
     *     cannot be read
     */
    public static Progress run(Job job, Consumer<Progress> listener) throws IOException {
        Tokenizer tokenizer = tokenizer(job);
        Run.checkContinued(job);
        Fence fence = Fence.claim(job.output());
        try {
            if (Run.open(job).finished()) {
                Progress end = new Progress.Completed(job.output().resolve("final"));
                listener.accept(end);
                return end;
            }
            OpenJob open = new OpenJob("train", job, JobData.open(job, tokenizer));
            Run.begin(job);
            double flops = MachineLimits.measure(job.devices()).flops(job.dtype());
            try (Training training = start(open, flops / job.ringSize(), fence, listener)) {
                return training.awaitEnd();
            }
        } finally {
            fence.release();
        }
    }

    /**
     * Gives a job to a cluster and follows it to its end. An interrupt ends the following, not the
     * job; who wants to stop that keeps its id: {@link ClusterClient#submit}, then {@link
     * ClusterClient#follow}.
     *
     * @param job its paths are ones that each node of the cluster reaches
     * @param cluster {@link ClusterClient#of} some of its nodes
     * @param listener hears what happens, one thing at a time
     * @return how it ended: Completed, Interrupted or Failed; also Failed where no node has
     *     answered for a minute, which the job may outlive
     * @throws IOException where no node answers at first, or the cluster does not take the job
     */
    public static Progress run(Job job, ClusterClient cluster, Consumer<Progress> listener)
            throws IOException, InterruptedException {
        return cluster.follow(cluster.submit(job), listener);
    }

    /**
     * The tokenizer that a job names.
     *
     * @throws UsageException where the model has no place for its tokens
     */
    public static Tokenizer tokenizer(Job job) throws DataException {
        Tokenizer tokenizer = Tokenizer.of(job.tokenizer());
        if (tokenizer.vocabSize() > job.model().vocabSize()) {
            throw new UsageException(
                    "the tokenizer has %d tokens, model.vocabSize is %d: give a model of at least that many, or model.growVocabulary = true with model.path"
                            .formatted(tokenizer.vocabSize(), job.model().vocabSize()));
        }
        return tokenizer;
    }

    /**
     * Begins to train.
     *
     * @param flopsPerDevice FLOP/s that one device can do
     * @param fence of the ownership of the job's output
     * @param listener hears what happens, one thing at a time
     */
    public static Training start(
            OpenJob job, double flopsPerDevice, Fence fence, Consumer<Progress> listener) {
        return new Training(job, flopsPerDevice, fence, listener);
    }

    private Training(OpenJob job, double flopsPerDevice, Fence fence, Consumer<Progress> listener) {
        system =
                ActorSystem.create(
                        guardian(job, flopsPerDevice, fence, listener),
                        "ringworld",
                        ConfigFactory.load());
    }

    /** Finishes the steps on their way, saves the state and ends; returns at once. */
    public void stop() {
        coordinator.thenAccept(to -> to.tell(new Coordinator.Stop()));
    }

    /** Waits until it has ended, and says how. */
    public Progress awaitEnd() {
        return end.join();
    }

    /** Ends it as it stands; what was not saved is lost. */
    @Override
    public void close() {
        system.terminate();
        system.getWhenTerminated().toCompletableFuture().join();
    }

    private Behavior<Progress> guardian(
            OpenJob job, double flopsPerDevice, Fence fence, Consumer<Progress> listener) {
        return Behaviors.setup(
                context -> {
                    Links links = Links.inProcess();
                    OpenJobs jobs = new OpenJobs(job);
                    List<ActorRef<DeviceActor.Command>> devices = new ArrayList<>();
                    for (Device device : Devices.open(job.job().devices())) {
                        int rank = devices.size();
                        devices.add(
                                context.spawn(
                                        DeviceActor.create(rank, device, links, jobs, () -> {}),
                                        "device-" + rank));
                    }
                    coordinator.complete(
                            context.spawn(
                                    Coordinator.create(
                                            job,
                                            devices,
                                            flopsPerDevice,
                                            Epochs.from(fence.number()),
                                            fence,
                                            false,
                                            context.getSelf(),
                                            null),
                                    "coordinator"));
                    return Behaviors.receiveMessage(
                            progress -> {
                                listener.accept(progress);
                                if (progress.isLast()) {
                                    end.complete(progress);
                                }
                                return Behaviors.same();
                            });
                });
    }
}
