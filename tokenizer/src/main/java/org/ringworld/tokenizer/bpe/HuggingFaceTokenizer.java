package org.ringworld.tokenizer.bpe;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.GgufVocabulary;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.TokenizerFiles;
import org.ringworld.tokenizer.Utf8;
import tools.jackson.databind.JsonNode;

/**
 * A Hugging Face {@code tokenizer.json} of type BPE, read by Hugging Face's own library. {@link
 * #encode} looks for no special tokens in the text; {@link #encodeLikeReference} does, as the
 * library does by itself.
 */
public final class HuggingFaceTokenizer implements Tokenizer {
    private static final List<String> BEGINNINGS =
            List.of("<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>");
    private static final List<String> ENDS =
            List.of("</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>", "<|im_end|>");
    private static final List<String> PADDINGS = List.of("<pad>", "<|pad|>", "[PAD]");

    private final TokenizerFiles files;
    private final RustTokenizer guarded;
    private final RustTokenizer reference;
    // Without the special tokens, the library gives the other added ones other ids.
    private final int[] guardedToOwn;
    private final byte[][] bytes;
    private final Map<String, Integer> specials;
    private final boolean addsSpace;
    private final int bos;
    private final int eos;
    private final int pad;
    private final Set<Integer> ends;
    private final boolean addsBos;

    private HuggingFaceTokenizer(TokenizerFiles files, HuggingFaceJson json) throws DataException {
        this.files = files;
        HuggingFaceJson plain = json.withoutSpecials();
        try {
            guarded = new RustTokenizer(plain.forLibrary());
            reference = new RustTokenizer(json.forLibrary());
        } catch (IllegalArgumentException e) {
            throw new DataException(files.file() + ": is refused: " + e.getMessage(), e);
        } catch (LinkageError e) {
            throw new DataException(
                    "%s: the library that reads it does not load on this machine (%s); use a tokenizer.model"
                            .formatted(files.file(), e.getMessage()),
                    e);
        }
        Pieces pieces = Pieces.of(files.file(), json.json().path("decoder"));
        addsSpace = pieces.addsSpace();
        bytes = bytes(json, pieces);
        specials =
                json.added().stream()
                        .filter(HuggingFaceJson.Added::special)
                        .collect(
                                Collectors.toMap(
                                        HuggingFaceJson.Added::content,
                                        HuggingFaceJson.Added::id,
                                        (first, second) -> first));
        guardedToOwn = new int[bytes.length];
        Arrays.setAll(guardedToOwn, id -> id);
        int[] given = HuggingFaceJson.givenIds(plain.added(), plain.vocab());
        for (int i = 0; i < given.length; i++) {
            guardedToOwn[given[i]] = plain.added().get(i).id();
        }
        int begin = special(json, "bos", BEGINNINGS);
        int end = special(json, "eos", ENDS);
        if (begin < 0 && end < 0) {
            throw new DataException(
                    files.file()
                            + ": no token is known to begin or end a document; name bos_token and eos_token in a tokenizer_config.json beside it");
        }
        bos = begin < 0 ? end : begin;
        eos = end < 0 ? begin : end;
        int padding = special(json, "pad", PADDINGS);
        pad = padding < 0 ? eos : padding;
        ends = files.ends(eos);
        // The Llama classes add one by themselves, all others what the file's processor says.
        boolean llama =
                files.json("tokenizer_config.json")
                        .path("tokenizer_class")
                        .asString("")
                        .matches("(Code)?LlamaTokenizer(Fast)?");
        addsBos = begin >= 0 && files.addsBos(llama || json.beginsWith(begin));
    }

    /**
     * @throws DataException where the file is damaged or holds what is not supported
     */
    public static HuggingFaceTokenizer read(TokenizerFiles files, JsonNode json)
            throws DataException {
        return new HuggingFaceTokenizer(
                files, HuggingFaceJson.read(files.file(), json, files.added()));
    }

    private static byte[][] bytes(HuggingFaceJson json, Pieces pieces) {
        int largest =
                Math.max(
                        json.vocab().values().stream().mapToInt(id -> id).max().orElse(-1),
                        json.added().stream().mapToInt(HuggingFaceJson.Added::id).max().orElse(-1));
        byte[][] bytes = new byte[largest + 1][0];
        for (Map.Entry<String, Integer> piece : json.vocab().entrySet()) {
            bytes[piece.getValue()] = pieces.bytes(piece.getKey());
        }
        for (HuggingFaceJson.Added token : json.added()) {
            bytes[token.id()] = token.special() ? new byte[0] : pieces.bytes(token.content());
        }
        return bytes;
    }

    /** By the name that the files beside give, by the id they give, by a name that is usual. */
    private int special(HuggingFaceJson json, String which, List<String> usual)
            throws DataException {
        String name = files.token(which + "_token");
        if (name != null) {
            int id = id(json, name);
            if (id < 0) {
                throw new DataException(
                        "%s: %s_token %s is not one of its tokens"
                                .formatted(files.file(), which, name));
            }
            return id;
        }
        int id = files.tokenId(which + "_token_id");
        if (id >= 0 && id < bytes.length) {
            return id;
        }
        return usual.stream().mapToInt(n -> id(json, n)).filter(i -> i >= 0).findFirst().orElse(-1);
    }

    private static int id(HuggingFaceJson json, String name) {
        for (HuggingFaceJson.Added token : json.added()) {
            if (token.content().equals(name)) {
                return token.id();
            }
        }
        return json.vocab().getOrDefault(name, -1);
    }

    /** How the decoder reads a piece. */
    private record Pieces(boolean byteLevel, boolean addsSpace) {
        static Pieces of(Path file, JsonNode decoder) throws DataException {
            boolean byteLevel = false;
            boolean addsSpace = false;
            boolean sequence = decoder.path("type").asString("").equals("Sequence");
            for (JsonNode one : sequence ? decoder.path("decoders").values() : List.of(decoder)) {
                switch (one.path("type").asString("")) {
                    case "ByteLevel" -> byteLevel = true;
                    case "Replace", "ByteFallback", "Fuse" -> {}
                    case "Metaspace" ->
                            addsSpace =
                                    !one.path("prepend_scheme").asString("").equals("never")
                                            && one.path("add_prefix_space").asBoolean(true);
                    case "Strip" -> addsSpace = one.path("start").asInt(0) > 0;
                    default ->
                            throw new DataException(
                                    "%s: its decoder %s is not supported"
                                            .formatted(file, one.path("type").asString("")));
                }
            }
            return new Pieces(byteLevel, addsSpace);
        }

        byte[] bytes(String piece) {
            if (byteLevel) {
                return ByteLetters.bytes(piece);
            }
            if (piece.matches("<0x[0-9A-Fa-f]{2}>")) {
                return new byte[] {(byte) Integer.parseInt(piece, 3, 5, 16)};
            }
            return Utf8.bytes(piece.replace(SentencePieceModel.SPACE, " "));
        }
    }

    @Override
    public int vocabSize() {
        return bytes.length;
    }

    @Override
    public int bos() {
        return bos;
    }

    @Override
    public int eos() {
        return eos;
    }

    @Override
    public Set<Integer> ends() {
        return ends;
    }

    @Override
    public boolean addsBos() {
        return addsBos;
    }

    @Override
    public int pad() {
        return pad;
    }

    @Override
    public boolean addsSpace() {
        return addsSpace;
    }

    @Override
    public long checksum() {
        return files.checksum();
    }

    @Override
    public Map<String, Integer> specialTokens() {
        return specials;
    }

    @Override
    public int[] encode(String text) {
        int[] ids = guarded.encode(Utf8.wellFormed(text));
        for (int i = 0; i < ids.length; i++) {
            ids[i] = guardedToOwn[ids[i]];
        }
        return ids;
    }

    @Override
    public int[] encodeLikeReference(String text) {
        return reference.encode(Utf8.wellFormed(text));
    }

    @Override
    public byte[] bytes(int id) {
        if (id < 0 || id >= bytes.length) {
            throw new IllegalArgumentException(
                    "token " + id + " is not one of a vocabulary of " + bytes.length);
        }
        return bytes[id].clone();
    }

    @Override
    public void save(Path directory) throws DataException {
        files.save(directory, "tokenizer.json", this);
    }

    @Override
    public GgufVocabulary gguf() throws DataException {
        JsonNode json = files.json(files.file().getFileName().toString());
        return HuggingFaceGguf.of(HuggingFaceJson.read(files.file(), json, files.added()), this);
    }

    @Override
    public String toString() {
        return "tokenizer.json BPE of " + bytes.length;
    }
}
