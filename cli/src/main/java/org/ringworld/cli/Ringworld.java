package org.ringworld.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Properties;
import org.ringworld.actors.Faults;
import org.ringworld.checkpoints.hub.Hub;
import org.ringworld.cli.bench.BenchCommand;
import org.ringworld.cli.bench.RingPeerCommand;
import org.ringworld.cli.cluster.CertificatesCommand;
import org.ringworld.cli.cluster.DrainCommand;
import org.ringworld.cli.cluster.JobsCommand;
import org.ringworld.cli.cluster.LogsCommand;
import org.ringworld.cli.cluster.NodeCommand;
import org.ringworld.cli.cluster.StatusCommand;
import org.ringworld.cli.cluster.StopCommand;
import org.ringworld.cli.cluster.SubmitCommand;
import org.ringworld.cli.eval.EvalCommand;
import org.ringworld.cli.eval.NeedlesCommand;
import org.ringworld.cli.qa.MakeQaCommand;
import org.ringworld.cli.train.TrainCommand;
import org.ringworld.cli.vision.DrawCommand;
import org.ringworld.cli.vision.FilmCommand;
import org.ringworld.cli.vision.SeeCommand;
import org.ringworld.cli.vision.VisionCommand;
import org.ringworld.model.training.job.HubNames;
import org.ringworld.model.training.job.KeyValue;
import org.ringworld.model.training.job.UsageException;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The command line: one subcommand, one file. */
@Command(
        name = "ringworld",
        description = "A sequence-parallel runtime for the Large World Model on the JVM.",
        versionProvider = Ringworld.Version.class,
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        footer = {
            "",
            "Examples:",
            "  ringworld train                                  the default job, a few minutes",
            "  ringworld train examples/jobs/needles.conf ring.size=4 output=runs/four",
            "  ringworld generate runs/needles --prompt \"Once upon a time\"",
            "  ringworld chat MODEL                             talk with a model; /help in it",
            "  ringworld chat hf:OWNER/NAME                     with one of Hugging Face's hub",
            "  ringworld COMMAND --help                         options and examples of a command"
        },
        subcommands = {
            TrainCommand.class,
            NodeCommand.class,
            SubmitCommand.class,
            StatusCommand.class,
            JobsCommand.class,
            LogsCommand.class,
            StopCommand.class,
            DrainCommand.class,
            CertificatesCommand.class,
            GenerateCommand.class,
            ChatCommand.class,
            ScoreCommand.class,
            ServeCommand.class,
            EvalCommand.class,
            NeedlesCommand.class,
            ForwardCommand.class,
            ImportCommand.class,
            ExportCommand.class,
            InspectCommand.class,
            TokenizeCommand.class,
            SeeCommand.class,
            DrawCommand.class,
            FilmCommand.class,
            VisionCommand.class,
            MakeQaCommand.class,
            BenchCommand.class,
            RingPeerCommand.class,
            DevicesCommand.class,
            DoctorCommand.class,
            CompletionCommand.class
        })
public final class Ringworld implements Runnable {
    /** Exit codes (CONTRACT): done, failed, wrong usage. */
    public static final int DONE = 0;

    public static final int FAILED = 1;
    static final int USAGE = 2;

    /** Names of Hugging Face's hub; what is fetched is shown on standard error. */
    public static final HubNames HUB = new HubNames(new Hub(System.getenv(), new FetchLine()));

    @Spec private CommandSpec spec;

    @Override
    public void run() {
        throw new CommandLine.ParameterException(
                spec.commandLine(), "a command is needed: train, generate, eval, …");
    }

    /** Runs a command and exits with its code. */
    public static void main(String[] args) {
        // Before Pekko logs from several threads at once, which SLF4J would complain about.
        LoggerFactory.getLogger(Ringworld.class);
        int code = run(args);
        System.out.flush();
        System.exit(code);
    }

    static int run(String... args) {
        CommandLine command =
                new CommandLine(new Ringworld())
                        // An argument such as @x is a text; no file is read for it.
                        .setExpandAtFiles(false)
                        .setUsageHelpAutoWidth(true)
                        .registerConverter(Path.class, path -> Path.of(KeyValue.withHome(path)))
                        .setExecutionExceptionHandler((fault, _, _) -> failed(fault));
        try {
            return command.execute(args);
        } catch (OutOfMemoryError e) { // which picocli hands on
            return failed(e);
        }
    }

    private static int failed(Throwable fault) {
        System.err.println("ringworld: " + Faults.sentence(fault));
        if (Boolean.getBoolean("ringworld.trace")) {
            fault.printStackTrace();
        }
        return fault instanceof UsageException ? USAGE : FAILED;
    }

    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {"ringworld " + number(), "JDK " + Runtime.version()};
        }

        static String number() {
            try (InputStream in = Ringworld.class.getResourceAsStream("/version.properties")) {
                Properties properties = new Properties();
                properties.load(in);
                return properties.getProperty("version");
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
