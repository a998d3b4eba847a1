import java.util.Arrays;
import org.ringworld.actors.Training;
import org.ringworld.actors.cluster.ClusterClient;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobReader;

/** Trains a small model on two devices of a cluster; the arguments are where it goes, and nodes. */
void main(String[] arguments) throws Exception {
    String[] nodes = Arrays.copyOfRange(arguments, 1, arguments.length);
    Job job =
            JobReader.read(
                    """
                    ring.size = 2
                    model { hiddenSize = 64, headDim = 32, intermediateSize = 128 }
                    stages = [{ task = copy, seqLen = 64, steps = 30 }]
                    """,
                    "output=" + arguments[0]);
    Progress end =
            Training.run(
                    job,
                    ClusterClient.of(nodes),
                    progress -> {
                        if (progress instanceof Progress.Stepped(var step, var ranks)) {
                            IO.println("step %d, loss %.3f".formatted(step.step(), step.loss()));
                        }
                    });
    IO.println(end);
}
