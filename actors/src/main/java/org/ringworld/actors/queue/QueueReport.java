package org.ringworld.actors.queue;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.cluster.Member;
import org.apache.pekko.cluster.typed.Cluster;
import org.ringworld.actors.device.DeviceActor;
import org.ringworld.actors.queue.book.JobBook;
import org.ringworld.actors.queue.book.QueuedJob;
import org.ringworld.actors.queue.book.QueuedServing;
import org.ringworld.model.training.coordination.Progress;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What the queue's leader says of it, as JSON.
 *
 * @param name of the cluster
 */
record QueueReport(
        String name,
        Cluster cluster,
        JobBook jobs,
        TrainingRuns trainings,
        StandingRuns standing,
        DevicePool<ActorRef<DeviceActor.Command>> devices) {
    /** Bytes of a file in one answer, which is a message between nodes too, of 1 MiB at most. */
    private static final int FILE_BYTES = 64 << 10;

    /** Characters in one answer of what a job told. */
    private static final int PROGRESS_CHARS = 256 << 10;

    /** Some of what a job says of itself, from a byte on. */
    QueueAnswer log(String id, long from) throws IOException {
        return file(id, JobQueue.LOG, from);
    }

    /** Some of the lines of its steps, likewise. */
    QueueAnswer metrics(String id, long from) throws IOException {
        return file(id, "metrics.jsonl", from);
    }

    private QueueAnswer file(String id, String name, long from) throws IOException {
        QueuedJob job = jobs.job(id);
        if (job == null) {
            return new QueueAnswer(false, jobs.unknown(id));
        }
        Path file = Path.of(job.output()).resolve(name);
        byte[] bytes = new byte[0];
        long size = 0;
        if (Files.exists(file)) {
            size = Files.size(file);
            try (InputStream in = Files.newInputStream(file)) {
                in.skipNBytes(Math.min(from, size));
                bytes = in.readNBytes(FILE_BYTES);
            }
        }
        ObjectNode node = JsonMapper.shared().createObjectNode();
        node.put("next", from + bytes.length).put("text", new String(bytes, UTF_8));
        node.put("size", size);
        node.put("over", job.state().isOver()).put("state", job.state().name().toLowerCase());
        node.put("sentence", job.sentence());
        return QueueAnswer.of(node);
    }

    /**
     * Some of what a job told after the thing of a number, in order; with the last of it, {@code
     * end}, if it is over.
     */
    QueueAnswer progress(String id, long after) {
        QueuedJob job = jobs.job(id);
        if (job == null) {
            return new QueueAnswer(false, jobs.unknown(id));
        }
        ObjectNode node = JsonMapper.shared().createObjectNode();
        ArrayNode told = node.putArray("progress");
        long next = after;
        int chars = 0;
        for (ProgressLog.Entry entry : trainings.progress().after(after, id)) {
            if (chars > PROGRESS_CHARS) {
                return QueueAnswer.of(node.put("next", next));
            }
            JsonNode one = JsonMapper.shared().valueToTree(entry.progress());
            told.add(one);
            chars += one.toString().length();
            next = entry.number();
        }
        if (job.end() != null) {
            node.set("end", JsonMapper.shared().valueToTree(job.end()));
        }
        return QueueAnswer.of(node.put("next", next));
    }

    /** All jobs and servings, in the order of submission. */
    ArrayNode allJobs() {
        ArrayNode all = JsonMapper.shared().createArrayNode();
        for (String id : jobs.inOrder()) {
            QueuedJob job = jobs.job(id);
            QueuedServing serving = jobs.serving(id);
            QueuedJob.State state = job == null ? serving.state() : job.state();
            ObjectNode node = all.addObject();
            node.put("id", id).put("state", state.name().toLowerCase());
            if (job == null) {
                standing.report(serving, node);
            } else {
                report(job, node);
            }
        }
        return all;
    }

    private void report(QueuedJob job, ObjectNode node) {
        node.put("output", job.output()).put("sentence", job.sentence());
        RunningJob runs = trainings.running(job.id());
        if (runs == null) {
            return;
        }
        node.put("devices", devices.of(job.id()).size()).put("ringSize", job.ringSize());
        node.put("epoch", runs.epoch);
        if (runs.last instanceof Progress.Waiting waiting) {
            node.put("sentence", "waits for %d devices".formatted(waiting.needed()));
        }
        if (runs.last instanceof Progress.Evaluating evaluating) {
            String sentence = "is evaluated on unseen rows: %d of %d batches";
            node.put("sentence", sentence.formatted(evaluating.batches(), evaluating.of()));
        }
        if (runs.metrics != null) {
            node.put("step", runs.metrics.step());
            node.put("steps", runs.hosted.job().with(runs.rounds).curriculum().steps());
            node.put("loss", runs.metrics.loss());
            node.put("tokensPerSecond", runs.metrics.tokensPerSecond());
        }
        ArrayNode ranks = node.putArray("ranks");
        for (Progress.RankTime time : runs.times) {
            ranks.addObject()
                    .put("device", time.device())
                    .put("secondsCompute", time.spent().computing())
                    .put("secondsWait", time.spent().waiting())
                    .put("secondsReceiving", time.spent().receiving())
                    .put("secondsExposed", time.spent().exposed());
        }
    }

    /** Members, their devices, and all jobs. */
    ObjectNode status() {
        ObjectNode node = JsonMapper.shared().createObjectNode();
        node.put("cluster", name);
        node.put("queue", cluster.selfMember().address().toString());
        Set<Member> unreachable = cluster.state().getUnreachable();
        ArrayNode members = node.putArray("members");
        for (Member member : cluster.state().getMembers()) {
            ObjectNode m = members.addObject();
            m.put("address", member.address().hostPort());
            m.put("status", member.status().toString());
            m.put("reachable", !unreachable.contains(member));
            ArrayNode here = m.putArray("devices");
            for (ActorRef<DeviceActor.Command> device : devices.present()) {
                if (JobQueue.address(device, cluster).equals(member.address())) {
                    here.addObject()
                            .put("name", device.path().name())
                            .put("job", devices.holder(device).orElse(""))
                            .put("draining", devices.isDraining(device));
                }
            }
        }
        node.set("jobs", allJobs());
        return node;
    }
}
