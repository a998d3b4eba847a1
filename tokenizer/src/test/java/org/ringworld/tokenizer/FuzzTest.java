package org.ringworld.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.tokenizer.documents.FieldLanguage;
import org.ringworld.tokenizer.documents.TextDocuments;
import org.ringworld.tokenizer.documents.Tokenization;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Damaged files of every kind give a sentence or are read; the native library survives them. */
class FuzzTest {
    private static final Tokenizer BYTES = new ByteTokenizer();
    private static final String TEXT = "hello <s> w\u00f6rld \ud83c\udf37\u0000</s>  aaaa";
    private static final String[] VALUES = {
        "null",
        "true",
        "-1",
        "0",
        "4294967296",
        "1e400",
        "\"\"",
        "\"a b\"",
        "\"\\ud83c\"",
        "\"BPE\"",
        "\"Sequence\"",
        "\"((\"",
        "[]",
        "{}",
        "[[]]",
        "[\"a\", \"b\", \"c\"]"
    };

    @TempDir Path tmp;

    @Test
    void someDamagedFilesGiveASentence() throws Exception {
        fuzz(100, 1);
    }

    @Test
    @Tag("slow")
    void manyDamagedFilesGiveASentence() throws Exception {
        fuzz(10_000, 2);
    }

    private void fuzz(int rounds, long seed) throws Exception {
        Random random = new Random(seed);
        byte[] model =
                Files.readAllBytes(TestData.resource("reports/tokenizer/tiny/tokenizer.model"));
        byte[] json =
                Files.readAllBytes(
                        TestData.resource("reports/tokenizer/tiny_hf_list/tokenizer.json"));
        byte[] lines =
                "{\"text\": \"a\u00e9\ud83c\udf37\\u0000\"}\n{\"text\": \"b\", \"x\": [1, {\"y\": 2.5e3}]}\n"
                        .repeat(5)
                        .getBytes(StandardCharsets.UTF_8);
        byte[] cache = cache(lines);
        int[] read = new int[5];
        for (int i = 0; i < rounds; i++) {
            read[0] += tokenizer("f.model", damaged(model, random), random) ? 1 : 0;
            read[1] += tokenizer("f.json", damaged(json, random), random) ? 1 : 0;
            read[2] += tokenizer("g.json", otherValue(json, random), random) ? 1 : 0;
            read[3] += documents("f.jsonl", damaged(lines, random)) ? 1 : 0;
            read[4] += documents("f.tokens", damaged(cache, random)) ? 1 : 0;
        }
        // Some damage does no harm, but in the file with checksums all of it does.
        assertThat(Arrays.copyOf(read, 4)).doesNotContain(0);
        assertThat(Arrays.copyOf(read, 3)).doesNotContain(rounds);
        assertThat(read[4]).isZero();
    }

    private byte[] cache(byte[] lines) throws Exception {
        Path source = Files.write(tmp.resolve("s.jsonl"), lines);
        Path cache = tmp.resolve("s.tokens");
        Tokenization.run(
                source, FieldLanguage.of("[text]"), BYTES, cache, (done, total, tokens) -> {});
        return Files.readAllBytes(cache);
    }

    private static byte[] damaged(byte[] whole, Random random) {
        byte[] damaged = whole.clone();
        int at = random.nextInt(whole.length);
        switch (random.nextInt(4)) {
            case 0 -> damaged[at] ^= (byte) (1 << random.nextInt(8));
            case 1 -> damaged[at] = (byte) random.nextInt(256);
            case 2 -> damaged = Arrays.copyOf(damaged, at);
            default -> {
                int length = Math.min(random.nextInt(1, 9), whole.length - at);
                int from = random.nextInt(whole.length - length + 1);
                System.arraycopy(whole, from, damaged, at, length);
            }
        }
        if (Arrays.equals(damaged, whole)) {
            damaged[at] ^= 1;
        }
        return damaged;
    }

    /** One value anywhere in the JSON, or all that stands there, replaced by one of a few. */
    private static byte[] otherValue(byte[] json, Random random) {
        JsonNode root = JsonMapper.shared().readTree(json);
        JsonNode at = root;
        while (true) {
            List<Object> children = new ArrayList<>(at.propertyNames());
            for (int i = 0; at.isArray() && i < at.size(); i++) {
                children.add(i);
            }
            Object child = children.get(random.nextInt(children.size()));
            JsonNode next = child instanceof Integer i ? at.get(i) : at.get((String) child);
            if (!next.isContainer() || next.isEmpty() || random.nextInt(4) == 0) {
                JsonNode value =
                        JsonMapper.shared().readTree(VALUES[random.nextInt(VALUES.length)]);
                if (at instanceof ArrayNode array) {
                    array.set((Integer) child, value);
                } else {
                    ((ObjectNode) at).set((String) child, value);
                }
                return root.toString().getBytes(StandardCharsets.UTF_8);
            }
            at = next;
        }
    }

    private boolean tokenizer(String name, byte[] file, Random random) throws Exception {
        Path path = Files.write(tmp.resolve(name), file);
        try {
            Tokenizer tokenizer = Tokenizer.load(path);
            int[] ids = tokenizer.encode(TEXT);
            assertThat(tokenizer.decode(ids)).isNotNull();
            tokenizer.encodeLikeReference(TEXT);
            tokenizer.bytes(random.nextInt(tokenizer.vocabSize()));
            return true;
        } catch (DataException e) {
            assertThat(e.getMessage()).contains(name);
            return false;
        }
    }

    private boolean documents(String name, byte[] file) throws Exception {
        Path path = Files.write(tmp.resolve(name), file);
        try {
            TextDocuments documents = TextDocuments.open(path, BYTES, 0.2);
            assertThat(documents.heldOut(8, Integer.MAX_VALUE)).isNotNull();
            return true;
        } catch (DataException e) {
            assertThat(e.getMessage()).contains(name);
            return false;
        }
    }
}
