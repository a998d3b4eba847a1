package org.ringworld.tokenizer;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.ringworld.tokenizer.bpe.ByteLetters;

/** Every byte of UTF-8 is a token: 0 to 255, then BOS, EOS, PAD and UNK. */
public final class ByteTokenizer implements Tokenizer {
    static final int VOCAB_SIZE = 260;
    public static final int BOS = 256;
    public static final int EOS = 257;
    public static final int PAD = 258;
    static final int UNK = 259;

    @Override
    public int vocabSize() {
        return VOCAB_SIZE;
    }

    @Override
    public int bos() {
        return BOS;
    }

    @Override
    public int eos() {
        return EOS;
    }

    @Override
    public int pad() {
        return PAD;
    }

    @Override
    public long checksum() {
        return VOCAB_SIZE;
    }

    @Override
    public Map<String, Integer> specialTokens() {
        return Map.of("<s>", BOS, "</s>", EOS, "<pad>", PAD, "<unk>", UNK);
    }

    @Override
    public int[] encode(String text) {
        byte[] utf8 = Utf8.bytes(text);
        int[] ids = new int[utf8.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = utf8[i] & 0xff;
        }
        return ids;
    }

    @Override
    public byte[] bytes(int id) {
        if (id < 0 || id >= VOCAB_SIZE) {
            throw new IllegalArgumentException(
                    "token " + id + " is not one of a vocabulary of " + VOCAB_SIZE);
        }
        return id < 256 ? new byte[] {(byte) id} : new byte[0];
    }

    @Override
    public void save(Path directory) throws DataException {
        ByteTokenizerJson.write(directory);
    }

    /** Byte-level BPE without merges: however a text is cut, every byte stays a token. */
    @Override
    public GgufVocabulary gguf() {
        List<GgufVocabulary.Token> tokens = new ArrayList<>();
        for (int b = 0; b < BOS; b++) {
            tokens.add(token(ByteLetters.letter(b), GgufVocabulary.Type.NORMAL));
        }
        for (String special : ByteTokenizerJson.SPECIALS) {
            tokens.add(token(special, GgufVocabulary.Type.CONTROL));
        }
        return new GgufVocabulary(
                GgufVocabulary.Model.BYTE_LEVEL,
                "gpt-2",
                tokens,
                List.of(),
                false,
                addsBos(),
                BOS,
                EOS,
                ends(),
                UNK,
                PAD);
    }

    private static GgufVocabulary.Token token(String text, GgufVocabulary.Type type) {
        return new GgufVocabulary.Token(text, 0, type);
    }

    @Override
    public String toString() {
        return "bytes";
    }
}
