package org.ringworld.tokenizer.bpe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.ringworld.tokenizer.TestData;
import org.ringworld.tokenizer.TextDecoder;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.TokenizerFiles;
import org.ringworld.tokenizer.proto.ModelProto;
import org.ringworld.tokenizer.proto.NormalizerSpec;
import org.ringworld.tokenizer.proto.Piece;
import org.ringworld.tokenizer.proto.TrainerSpec;
import tools.jackson.databind.JsonNode;

class SentencePieceTokenizerTest {
    private static final String TINY = "reports/tokenizer/tiny/tokenizer.model";

    @TempDir Path tmp;

    @Test
    void awkwardTextsAreThoseOfTheReference() throws Exception {
        Tokenizer llama = Tokenizer.load(TestData.shared("tokenizer/tokenizer.model"));
        assertThat(new int[] {llama.vocabSize(), llama.bos(), llama.eos()})
                .containsExactly(32000, 1, 2);
        for (JsonNode line : TestData.jsonLines("golden/tokenizer/llama2-sentencepiece.jsonl")) {
            String text = line.path("text").asString();
            int[] ids = TestData.ids(line.path("ids"));
            assertThat(llama.encode(text)).as(text).isEqualTo(ids);
            // It has one mark for a space and for the mark itself.
            String decoded = text.replace('\u2581', ' ');
            assertThat(llama.decode(ids)).isEqualTo(decoded);
            assertThat(TestData.stream(llama, ids)).isEqualTo(decoded);
        }
    }

    @Test
    void wholeBooksAreThoseOfTheReference() throws Exception {
        Tokenizer llama = Tokenizer.load(TestData.shared("tokenizer/tokenizer.model"));
        Path books = TestData.shared("books");
        List<String> lines = Files.readAllLines(TestData.resource("golden/tokenizer/books.tsv"));
        assertThat(lines.removeIf(line -> !line.startsWith("llama2-"))).isTrue();
        assertThat(lines).hasSize(21);
        for (String line : lines) {
            String[] columns = line.split("\t");
            int[] ids = llama.encode(Files.readString(books.resolve(columns[1])));
            assertThat(ids).as(columns[1]).hasSize(Integer.parseInt(columns[2]));
            assertThat(TestData.crc(ids)).as(columns[1]).isEqualTo(Long.parseLong(columns[3]));
        }
    }

    @Test
    void reportedTextsAreEncodedAndComeBack() throws Exception {
        Tokenizer tiny = Tokenizer.load(TestData.resource(TINY));
        JsonNode report = TestData.json("reports/tokenizer/cases.json");
        assertThat(tiny.vocabSize()).isEqualTo(report.path("vocab_size").asInt());
        for (JsonNode test : report.path("cases")) {
            int[] ids = TestData.ids(test.path("ids_no_bos"));
            String name = test.path("name").asString();
            assertThat(tiny.encode(test.path("text").asString())).as(name).isEqualTo(ids);
            String decoded = test.path("decoded").asString();
            assertThat(tiny.decode(ids)).as(name).isEqualTo(decoded);
            assertThat(TestData.stream(tiny, TestData.ids(test.path("ids")))).isEqualTo(decoded);
        }
        JsonNode special = report.path("special");
        assertThat(tiny.encode(special.path("text").asString()))
                .isEqualTo(TestData.ids(special.path("as_plain_text_ids_no_bos")));
        int[] replaced = TestData.ids(report.path("lone_surrogate").path("ids_if_fffd"));
        assertThat(tiny.encode("a\ud83cb"))
                .isEqualTo(Arrays.copyOfRange(replaced, 1, replaced.length));
        JsonNode known = report.path("long_text").path("check");
        assertThat(tiny.encode("a".repeat(64))).isEqualTo(TestData.ids(known.path("a*64")));
        assertThat(tiny.encode("a".repeat(63))).isEqualTo(TestData.ids(known.path("a*63")));
    }

    @Test
    void onlyTheFirstTokenLosesItsSpace() throws Exception {
        Tokenizer tiny = Tokenizer.load(TestData.resource(TINY));
        int[] ids = tiny.encode("hello world");
        assertThat(tiny.decode(ids)).isEqualTo("hello world");
        TextDecoder decoder = tiny.decoder();
        decoder.next(tiny.bos());
        decoder.next(ids[0]);
        assertThat(decoder.next(ids[1])).isEqualTo(" world");
    }

    @Test
    void longTextsOfAnyShapeAreEncodedInParallelAsInOnePart() throws Exception {
        SentencePieceModel model =
                SentencePieceModel.read(TokenizerFiles.read(TestData.resource(TINY)));
        Tokenizer tiny = Tokenizer.load(TestData.resource(TINY));
        for (String part : List.of("a", "\u4e2d\u6587", "hello world ", "ml\ud83c\udf37 ")) {
            String text = part.repeat(400_000 / part.length());
            BytePairMerger serial = new BytePairMerger(new BytePairVocabulary(model));
            String normal = "\u2581" + text.replace(' ', '\u2581');
            serial.encode(normal, 0, normal.length());
            assertThat(tiny.encode(text)).isEqualTo(serial.ids());
        }
    }

    @Test
    void equalScoresMergeFromTheLeftAndUnusedPiecesFallApart() throws Exception {
        Tokenizer tokenizer = save(model("a", "b", "c", "ab", "bc", "!user", "?abc"));
        assertThat(names(tokenizer, "abc")).containsExactly("ab", "c");
        assertThat(names(tokenizer, "bcuserabc")).containsExactly("bc", "user", "ab", "c");
        // One unknown for a run of them: there is no byte fallback.
        assertThat(names(tokenizer, "axyza")).containsExactly("a", " \u2047 ", "a");
        assertThat(names(tokenizer, "<s>")).containsExactly(" \u2047 ");
    }

    @Test
    void extraSpacesAreRemovedWhereTheModelSaysSo() throws Exception {
        ModelProto.Builder model = model("a", "\u2581", "\u2581a");
        model.getNormalizerSpecBuilder().setAddDummyPrefix(true).setRemoveExtraWhitespaces(true);
        Tokenizer tokenizer = save(model);
        assertThat(names(tokenizer, "  a   a ")).containsExactly(" a", " a");
        assertThat(tokenizer.encode("   ")).isEmpty();
    }

    @Test
    void whatIsNotSupportedIsRefusedByName() throws Exception {
        ModelProto.Builder unigram = model("a");
        unigram.getTrainerSpecBuilder().setModelType(TrainerSpec.ModelType.UNIGRAM);
        assertThatThrownBy(() -> save(unigram)).hasMessageContaining("model_type is UNIGRAM");
        ModelProto.Builder nfkc = model("a");
        nfkc.setNormalizerSpec(
                NormalizerSpec.newBuilder()
                        .setName("nmt_nfkc")
                        .setPrecompiledCharsmap(
                                com.google.protobuf.ByteString.copyFromUtf8("map")));
        assertThatThrownBy(() -> save(nfkc)).hasMessageContaining("normalizer nmt_nfkc");
        assertThatThrownBy(() -> save(model("a", "a"))).hasMessageContaining("piece 4 (a)");
        ModelProto.Builder bytes = model("a");
        bytes.getTrainerSpecBuilder().setByteFallback(true);
        assertThatThrownBy(() -> save(bytes)).hasMessageContaining("0 of the 256 byte pieces");
        assertThatThrownBy(() -> save(ModelProto.newBuilder())).hasMessageContaining("no pieces");
    }

    @Test
    void isSavedByteForByte() throws Exception {
        Tokenizer.load(TestData.resource(TINY)).save(tmp);
        assertThat(tmp.resolve("tokenizer.model")).hasSameBinaryContentAs(TestData.resource(TINY));
        assertThat(Tokenizer.of(tmp.toString())).isInstanceOf(SentencePieceTokenizer.class);
    }

    /** Pieces of one score; {@code !} marks a user-defined one, {@code ?} an unused one. */
    private static ModelProto.Builder model(String... pieces) {
        ModelProto.Builder model = ModelProto.newBuilder();
        model.addPiecesBuilder().setPiece("<unk>").setType(Piece.Type.UNKNOWN);
        model.addPiecesBuilder().setPiece("<s>").setType(Piece.Type.CONTROL);
        model.addPiecesBuilder().setPiece("</s>").setType(Piece.Type.CONTROL);
        for (String piece : pieces) {
            Piece.Type type =
                    piece.startsWith("!")
                            ? Piece.Type.USER_DEFINED
                            : piece.startsWith("?") ? Piece.Type.UNUSED : Piece.Type.NORMAL;
            model.addPiecesBuilder()
                    .setPiece(type == Piece.Type.NORMAL ? piece : piece.substring(1))
                    .setType(type)
                    .setScore(-1);
        }
        model.getTrainerSpecBuilder().setModelType(TrainerSpec.ModelType.BPE);
        model.getNormalizerSpecBuilder()
                .setName("identity")
                .setAddDummyPrefix(false)
                .setRemoveExtraWhitespaces(false);
        return model;
    }

    private Tokenizer save(ModelProto.Builder model) throws Exception {
        return Tokenizer.load(
                Files.write(tmp.resolve("tokenizer.model"), model.build().toByteArray()));
    }

    private static List<String> names(Tokenizer tokenizer, String text) {
        return IntStream.of(tokenizer.encode(text))
                .mapToObj(
                        id ->
                                new String(
                                        tokenizer.bytes(id),
                                        java.nio.charset.StandardCharsets.UTF_8))
                .toList();
    }
}
