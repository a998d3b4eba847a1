package org.ringworld.actors.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.ringworld.actors.job.Jobs;
import org.ringworld.checkpoints.hf.LlamaConfig;
import org.ringworld.model.decode.Answer;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.JointVocabulary;
import org.ringworld.model.decode.Made;
import org.ringworld.model.decode.Sampler;
import org.ringworld.model.vision.PatchVq;
import org.ringworld.model.vision.TokenizerRing;
import org.ringworld.model.vision.VisionPrompt;
import org.ringworld.runtime.Device;
import org.ringworld.runtime.cpu.CpuDevice;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.media.PictureFile;
import tools.jackson.databind.JsonNode;

/** What is answered about pictures over HTTP is what the same tokens give. */
class SeenPicturesTest {
    private static final LlamaConfig MODEL = Jobs.MODEL.withVisionVocabSize(8448);
    private static final int CODES = 32;

    private static TokenizerRing images;
    private static VisionPrompt prompt;
    private static TinyFront front;

    @BeforeAll
    static void open(@TempDir Path directory) throws Exception {
        float[] noise = PictureFile.read(png(1), "noise").fitted(PatchVq.RESOLUTION).values();
        images =
                TokenizerRing.of(
                        List.<Device>of(new CpuDevice(1)),
                        device -> PatchVq.train(device, Stream.of(noise), CODES, 1));
        prompt =
                new VisionPrompt(
                        new ByteTokenizer(),
                        JointVocabulary.of(MODEL),
                        images.tokenizer().tokens(),
                        images.tokenizer().vocabSize());
        front =
                new TinyFront(
                        directory, TinyFront.settings(), MODEL, new SeenPictures(images, prompt));
    }

    @AfterAll
    static void close() {
        front.close();
        images.close();
    }

    @Test
    void answersAsTheSameTokensDo() throws Exception {
        String question = "What is <image>?";
        float[] values = PictureFile.read(png(2), "it").fitted(PatchVq.RESOLUTION).values();
        int[][] codes = new int[1][];
        images.encode(List.of(values).iterator(), frame -> codes[0] = frame);
        int[] ids = prompt.see(question, codes[0]);
        String expected;
        Ask ask = new Ask(ids, 8, Sampler.GREEDY, Set.copyOf(front.tokenizer.ends()), 0, 0);
        try (Answer answer = front.engine.ask(ask)) {
            expected = text(answer);
        }
        for (int turn = 0; turn < 2; turn++) {
            JsonNode seen = front.answer("/v1/chat/completions", chat(question, url(png(2))));
            assertThat(seen.at("/choices/0/message/content").asString()).isEqualTo(expected);
            assertThat(seen.at("/usage/prompt_tokens").asInt()).isEqualTo(ids.length);
        }
    }

    private static String text(Answer answer) throws InterruptedException {
        IntStream.Builder made = IntStream.builder();
        for (Made.Token one = answer.next(); one != null; one = answer.next()) {
            made.add(one.id());
        }
        return front.tokenizer.decode(made.build().toArray());
    }

    @ParameterizedTest
    @CsvSource({
        "http://127.0.0.1/cat.png, nothing is fetched",
        "'data:image/png;base64,%', is not base64",
        "'data:image/png;base64,AAAA', no kind that is known",
        "'data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==', cannot be seen"
    })
    void refusesWhatIsNoPicture(String url, String sentence) throws Exception {
        String body = chat("What?", url).replace('\'', '"');
        JsonNode fault = TinyFront.fault(front.post("/v1/chat/completions", body), 400);
        assertThat(fault.path("message").asString()).contains(sentence);
        assertThat(fault.path("param").asString())
                .isEqualTo("messages[0].content[1].image_url.url");
    }

    private static String chat(String question, String url) {
        return """
               {'messages': [{'role': 'user', 'content': [{'type': 'text', 'text': '%s'},
                {'type': 'image_url', 'image_url': {'url': '%s'}}]}], 'temperature': 0, 'max_tokens': 8}
               """
                .formatted(question, url);
    }

    private static String url(byte[] file) {
        return "data:image/png;base64," + Base64.getEncoder().encodeToString(file);
    }

    private static byte[] png(int seed) throws Exception {
        SplittableRandom random = new SplittableRandom(seed);
        BufferedImage image = new BufferedImage(40, 30, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < 40 * 30; i++) {
            image.setRGB(i % 40, i / 40, random.nextInt(1 << 24));
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ImageIO.write(image, "png", out);
        return out.toByteArray();
    }
}
