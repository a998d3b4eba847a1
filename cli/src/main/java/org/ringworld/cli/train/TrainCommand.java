package org.ringworld.cli.train;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigValueFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.ringworld.actors.Training;
import org.ringworld.actors.job.Run;
import org.ringworld.checkpoints.files.Fence;
import org.ringworld.cli.Ringworld;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobData;
import org.ringworld.model.training.job.JobFile;
import org.ringworld.model.training.job.JobReader;
import org.ringworld.model.training.job.JobText;
import org.ringworld.model.training.job.KeyValue;
import org.ringworld.model.training.job.UsageException;
import org.ringworld.model.training.rank.OpenJob;
import org.ringworld.runtime.cpu.MachineLimits;
import org.ringworld.tokenizer.Tokenizer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Trains a model through the stages of a job, on a ring of devices in this JVM. */
@Command(
        name = "train",
        description = "Train a model through the stages of a job.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "A job is a HOCON file (examples/jobs); key=value overrides it. Without one the default job",
            "runs: needles in ever longer texts. Interrupted jobs go on when started again.",
            "",
            "Examples:",
            "  ringworld train",
            "  ringworld train examples/jobs/needles.conf seed=2 output=runs/second",
            "  ringworld train ring.size=1 device.threads=2 stages.0.steps=300",
            "  ringworld train JOB.conf model.path=hf:OWNER/NAME data.path=hf:datasets/OWNER/NAME",
            "  ringworld train 'devices=[cpu,{cpu{threads=2,memory=8 GiB}}]'",
            "  ringworld train examples/jobs/needles.conf --resume     fails if there is nothing to go on with"
        })
public final class TrainCommand implements Callable<Integer> {
    @Parameters(
            arity = "0..*",
            paramLabel = "JOB.conf | key=value",
            description = "A job file and overrides of its keys.")
    private List<String> arguments = List.of();

    @Option(names = "--print-config", description = "Print the resolved job and do nothing.")
    private boolean printConfig;

    @Option(
            names = "--resume",
            description = "Go on with the run in output=, as is done anyway; an error if none is.")
    private boolean resume;

    @Override
    public Integer call() throws Exception {
        Config config = config();
        if (printConfig) {
            System.out.print(JobText.renderWhole(config));
            return Ringworld.DONE;
        }
        int cores = Runtime.getRuntime().availableProcessors();
        Job job = JobReader.read(config, cores);
        Tokenizer tokenizer = Training.tokenizer(job);
        if (resume && !Files.exists(job.output().resolve("job.conf"))) {
            throw new UsageException(job.output() + " holds no run to resume");
        }
        Run.checkContinued(job);
        Fence fence = Fence.claim(job.output());
        try {
            return run(job, tokenizer, fence);
        } finally {
            fence.release();
        }
    }

    private static int run(Job job, Tokenizer tokenizer, Fence fence) throws Exception {
        Run run = Run.open(job);
        if (run.finished()) {
            System.out.printf(
                    "%s is finished: its model is %s%n",
                    job.output(), job.output().resolve("final"));
            return Ringworld.DONE;
        }
        JobSummary.of(job).forEach(System.out::println);
        JobData data = JobData.open(job, tokenizer);
        data.faults().forEach(fault -> System.err.println("ringworld: skipped " + fault));
        // Only now: a job whose data is at fault can be mended and started again.
        Run.begin(job);
        return train(new OpenJob("train", job, data), fence);
    }

    private Config config() {
        return config(arguments);
    }

    /** The job that runs when none is named. */
    public static Config defaultJob() {
        return ConfigFactory.parseResources(
                        TrainCommand.class.getClassLoader(), "jobs/needles.conf")
                .withValue("name", ConfigValueFactory.fromAnyRef("needles"));
    }

    /** The resolved job of a command line: at most one file, and overrides. */
    public static Config config(List<String> arguments) {
        List<String> overrides = new ArrayList<>();
        Path file = null;
        for (String argument : arguments) {
            if (argument.contains("=")) {
                overrides.add(argument);
            } else if (file == null) {
                file = Path.of(KeyValue.withHome(argument));
            } else {
                throw new UsageException(
                        "two job files, "
                                + file
                                + " and "
                                + argument
                                + "; one is trained at a time");
            }
        }
        Config job = file == null ? defaultJob() : JobFile.read(file);
        return JobFile.resolve(job, overrides, Ringworld.HUB);
    }

    private static int train(OpenJob open, Fence fence) throws Exception {
        Job job = open.job();
        double limit = MachineLimits.measure(job.devices()).flops(job.dtype());
        TrainingReport report = new TrainingReport(job, limit, open.data());
        Training training = Training.start(open, limit / job.ringSize(), fence, report::hear);
        Thread onSignal = new Thread(() -> report.stopAndWait(training), "on-signal");
        Runtime.getRuntime().addShutdownHook(onSignal);
        Progress end = report.awaitEnd();
        training.close();
        try {
            Runtime.getRuntime().removeShutdownHook(onSignal);
        } catch (IllegalStateException e) {
            // A signal came: the JVM is going down and its exit code is the signal's.
            Thread.currentThread().join();
        }
        return end instanceof Progress.Completed ? Ringworld.DONE : Ringworld.FAILED;
    }
}
