package org.ringworld.tokenizer;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.ringworld.tokenizer.proto.NormalizerSpec;
import org.ringworld.tokenizer.proto.Piece;

/**
 * A SentencePiece {@code tokenizer.model} of type BPE (Kudo and Richardson 2018), LLaMA's for one:
 * the ids are those of Google's library. Control pieces written in a text stay text. Long texts are
 * encoded in parallel.
 */
public final class SentencePieceTokenizer implements Tokenizer {
    private static final int CHUNK = 1 << 16;

    private final SentencePieceModel model;
    private final BytePairVocabulary vocabulary;
    private final byte[][] bytes;
    private final int bos;
    private final int eos;
    private final int pad;

    private SentencePieceTokenizer(SentencePieceModel model, int bos, int eos, int pad) {
        this.model = model;
        this.vocabulary = new BytePairVocabulary(model);
        this.bytes = model.pieces().stream().map(this::bytes).toArray(byte[][]::new);
        this.bos = bos;
        this.eos = eos;
        this.pad = pad;
    }

    /**
     * @throws DataException where the file is damaged or needs what is not supported (a model that
     *     is no BPE, a normalizer other than identity)
     */
    static SentencePieceTokenizer read(TokenizerFiles files) throws DataException {
        SentencePieceModel model = SentencePieceModel.read(files);
        int bos = model.control(model.trainer().getBosPiece());
        int eos = model.control(model.trainer().getEosPiece());
        int pad = model.control(model.trainer().getPadPiece());
        if (bos < 0 && eos < 0) {
            throw new DataException(
                    files.file()
                            + ": has neither a piece that begins a document nor one that ends it");
        }
        bos = bos < 0 ? eos : bos;
        eos = eos < 0 ? bos : eos;
        return new SentencePieceTokenizer(model, bos, eos, pad < 0 ? eos : pad);
    }

    private byte[] bytes(Piece piece) {
        return switch (piece.getType()) {
            case CONTROL -> new byte[0];
            case BYTE -> new byte[] {(byte) SentencePieceModel.byteOf(piece)};
            case UNKNOWN -> Utf8.bytes(model.trainer().getUnkSurface());
            case NORMAL, USER_DEFINED, UNUSED ->
                    piece.getPiece()
                            .replace(SentencePieceModel.SPACE, " ")
                            .getBytes(StandardCharsets.UTF_8);
        };
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
    public int pad() {
        return pad;
    }

    @Override
    public boolean addsSpace() {
        return model.normalizer().getAddDummyPrefix();
    }

    @Override
    public long checksum() {
        return model.files().checksum();
    }

    @Override
    public Map<String, Integer> specialTokens() {
        return model.ids().entrySet().stream()
                .filter(e -> model.pieces().get(e.getValue()).getType() == Piece.Type.CONTROL)
                .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
    }

    @Override
    public int[] encode(String text) {
        String normal = normalize(text);
        int[] borders = borders(normal);
        int[][] parts =
                IntStream.range(0, borders.length - 1)
                        .parallel()
                        .mapToObj(
                                i -> {
                                    BytePairMerger merger = new BytePairMerger(vocabulary);
                                    merger.encode(normal, borders[i], borders[i + 1]);
                                    return merger.ids();
                                })
                        .toArray(int[][]::new);
        int[] ids = new int[IntStream.range(0, parts.length).map(i -> parts[i].length).sum()];
        int at = 0;
        for (int[] part : parts) {
            System.arraycopy(part, 0, ids, at, part.length);
            at += part.length;
        }
        return ids;
    }

    private String normalize(String text) {
        NormalizerSpec spec = model.normalizer();
        String normal = Utf8.wellFormed(text);
        String space = spec.getEscapeWhitespaces() ? SentencePieceModel.SPACE : " ";
        if (spec.getRemoveExtraWhitespaces()) {
            normal = normal.replaceAll("^ +", "").replaceAll(" {2,}", " ");
        }
        if (normal.isEmpty()) {
            return "";
        }
        normal = (spec.getAddDummyPrefix() ? space : "") + normal.replace(" ", space);
        while (spec.getRemoveExtraWhitespaces() && normal.endsWith(space)) {
            normal = normal.substring(0, normal.length() - 1);
        }
        return normal;
    }

    /**
     * Where the text can be cut without any change of its ids. What a run of unknowns or an unused
     * piece becomes depends on what stands before, be it far away: such models are not cut for.
     */
    private int[] borders(String text) {
        List<Integer> borders = new ArrayList<>(List.of(0));
        if (model.trainer().getByteFallback() && !vocabulary.hasUnused) {
            for (int at = CHUNK; at < text.length(); at++) {
                int after = text.codePointAt(at);
                if (!Character.isLowSurrogate(text.charAt(at))
                        && vocabulary.isBorder(text.codePointBefore(at), after)) {
                    borders.add(at);
                    at += CHUNK;
                }
            }
        }
        borders.add(text.length());
        return borders.stream().mapToInt(Integer::intValue).toArray();
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
        model.files().save(directory, "tokenizer.model");
    }

    @Override
    public String toString() {
        return "SentencePiece BPE of " + bytes.length;
    }
}
