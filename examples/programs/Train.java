import org.ringworld.actors.Training;
import org.ringworld.model.training.coordination.Progress;
import org.ringworld.model.training.job.Job;
import org.ringworld.model.training.job.JobReader;

/** Trains a small model on a ring of two devices in this JVM; the argument is where it goes. */
void main(String[] arguments) throws Exception {
    Job job =
            JobReader.read(
                    """
                    ring.size = 2, device.threads = 1
                    model { hiddenSize = 64, headDim = 32, intermediateSize = 128 }
                    stages = [{ task = needles, seqLen = 256, steps = 30 }]
                    """,
                    "output=" + arguments[0]);
    Progress end =
            Training.run(
                    job,
                    progress -> {
                        if (progress instanceof Progress.Stepped(var step, var ranks)) {
                            IO.println("step %d, loss %.3f".formatted(step.step(), step.loss()));
                        }
                    });
    IO.println(end);
}
