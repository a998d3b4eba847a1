import java.nio.file.Path;
import java.util.List;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.Generator;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.layers.MappedParameters;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.Tokenizer;

/** Goes on with a text, greedily; the arguments are a model's directory and the text. */
void main(String[] arguments) throws Exception {
    int most = 64;
    try (ModelFiles files = ModelFiles.open(Path.of(arguments[0]));
            Device device = new CpuDevice(2)) {
        Tokenizer tokenizer = Tokenizer.load(files.directory());
        var parameters = new MappedParameters(device, files, files.config(), files.dtype());
        int[] ids = Continuation.prompt(arguments[1], tokenizer);
        int room = ids.length + most;
        try (var generator = new Generator(device, parameters, files.config(), room);
                var sequence = generator.open(ids, room)) {
            Continuation.write(
                    sequence,
                    Sampler.GREEDY,
                    tokenizer,
                    tokenizer.decoder(),
                    most,
                    List.of(),
                    IO::print);
        }
    }
}
