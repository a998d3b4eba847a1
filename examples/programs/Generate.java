import java.nio.file.Path;
import java.util.List;
import org.ringworld.checkpoints.ModelFiles;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Continuation;
import org.ringworld.model.decode.LocalEngine;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.decode.ServedModel;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.Tokenizer;

/** Goes on with a text, greedily; the arguments are a model's directory and the text. */
void main(String[] arguments) throws Exception {
    int most = 64;
    ModelFiles files = ModelFiles.open(Path.of(arguments[0]));
    Tokenizer tokenizer = Tokenizer.load(files.directory());
    int[] ids = tokenizer.prompt(arguments[1]);
    var ask = new Ask(ids, most, Sampler.GREEDY, tokenizer.ends());
    int room = ids.length + most;
    var device = new CpuDevice(2);
    var dtypes = ServedModel.Options.of(files.dtype());
    try (var engine = new LocalEngine(device, files, files.config(), dtypes, room);
            var answer = engine.ask(ask)) {
        Continuation.write(answer, tokenizer, tokenizer.decoder(), List.of(), IO::print);
    }
}
