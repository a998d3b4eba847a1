package org.ringworld.tokenizer.bpe;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.GgufVocabulary;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.TokenizerFiles;
import org.ringworld.tokenizer.Utf8;
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
    private final List<TokenizerFiles.Added> added;
    private final Pattern plain;
    private final int bos;
    private final int eos;
    private final int pad;
    private final Set<Integer> ends;
    private final boolean addsBos;

    private SentencePieceTokenizer(SentencePieceModel model) throws DataException {
        this.model = model;
        this.vocabulary = new BytePairVocabulary(model);
        TokenizerFiles files = model.files();
        this.added =
                files.added().stream()
                        .filter(token -> token.id() >= model.pieces().size())
                        .toList();
        this.bytes = bytes();
        this.plain =
                Pattern.compile(
                        added.stream()
                                .filter(token -> !token.special())
                                .map(TokenizerFiles.Added::content)
                                .sorted(Comparator.comparingInt(String::length).reversed())
                                .map(Pattern::quote)
                                .collect(Collectors.joining("|")));
        int begin = special("bos", model.trainer().getBosPiece());
        int end = special("eos", model.trainer().getEosPiece());
        int padding = special("pad", model.trainer().getPadPiece());
        if (begin < 0 && end < 0) {
            throw new DataException(
                    files.file()
                            + ": has neither a piece that begins a document nor one that ends it");
        }
        this.bos = begin < 0 ? end : begin;
        this.eos = end < 0 ? begin : end;
        this.pad = padding < 0 ? eos : padding;
        this.ends = files.ends(eos);
        this.addsBos = begin >= 0 && files.addsBos(true);
    }

    /**
     * By the name that the files beside give, else the model's own piece; −1 where there is none.
     */
    private int special(String which, String piece) throws DataException {
        String name = model.files().token(which + "_token");
        for (TokenizerFiles.Added token : added) {
            if (token.content().equals(name)) {
                return token.id();
            }
        }
        int id = name == null ? -1 : model.control(name);
        return id >= 0 ? id : model.control(piece);
    }

    private byte[][] bytes() {
        int pieces = model.pieces().size();
        int size = added.isEmpty() ? pieces : added.getLast().id() + 1;
        byte[][] all = new byte[size][0];
        for (int id = 0; id < pieces; id++) {
            all[id] = bytes(model.pieces().get(id));
        }
        for (TokenizerFiles.Added token : added) {
            all[token.id()] = token.special() ? new byte[0] : Utf8.bytes(token.content());
        }
        return all;
    }

    /**
     * @throws DataException where the file is damaged or needs what is not supported (a model that
     *     is no BPE, a normalizer other than identity)
     */
    public static SentencePieceTokenizer read(TokenizerFiles files) throws DataException {
        return new SentencePieceTokenizer(SentencePieceModel.read(files));
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
        return model.normalizer().getAddDummyPrefix();
    }

    @Override
    public long checksum() {
        return model.files().checksum();
    }

    @Override
    public Map<String, Integer> specialTokens() {
        Map<String, Integer> specials = new HashMap<>();
        model.ids()
                .forEach(
                        (text, id) -> {
                            if (model.pieces().get(id).getType() == Piece.Type.CONTROL) {
                                specials.put(text, id);
                            }
                        });
        added.stream()
                .filter(TokenizerFiles.Added::special)
                .forEach(token -> specials.put(token.content(), token.id()));
        return specials;
    }

    @Override
    public int[] encode(String text) {
        if (plain.pattern().isEmpty()) {
            return encodePieces(text);
        }
        IntList ids = new IntList();
        int from = 0;
        for (MatchResult found : plain.matcher(text).results().toList()) {
            IntStream.of(encodePieces(text.substring(from, found.start()))).forEach(ids::add);
            added.stream()
                    .filter(token -> token.content().equals(found.group()))
                    .forEach(token -> ids.add(token.id()));
            from = found.end();
        }
        IntStream.of(encodePieces(text.substring(from))).forEach(ids::add);
        return ids.toArray();
    }

    private int[] encodePieces(String text) {
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
        model.files().save(directory, "tokenizer.model", this);
    }

    @Override
    public GgufVocabulary gguf() throws DataException {
        requireLikeLlamaCpp();
        List<GgufVocabulary.Token> tokens = new ArrayList<>();
        for (Piece piece : model.pieces()) {
            tokens.add(
                    new GgufVocabulary.Token(
                            piece.getPiece(),
                            piece.getScore(),
                            switch (piece.getType()) {
                                case NORMAL -> GgufVocabulary.Type.NORMAL;
                                case UNKNOWN -> GgufVocabulary.Type.UNKNOWN;
                                case CONTROL -> GgufVocabulary.Type.CONTROL;
                                case USER_DEFINED -> GgufVocabulary.Type.USER_DEFINED;
                                case UNUSED -> GgufVocabulary.Type.UNUSED;
                                case BYTE -> GgufVocabulary.Type.BYTE;
                            }));
        }
        for (TokenizerFiles.Added token : added) {
            while (tokens.size() < token.id()) {
                tokens.add(GgufVocabulary.Token.unused(tokens.size()));
            }
            GgufVocabulary.Type type =
                    token.special()
                            ? GgufVocabulary.Type.CONTROL
                            : GgufVocabulary.Type.USER_DEFINED;
            tokens.add(new GgufVocabulary.Token(token.content(), GgufVocabulary.LAST, type));
        }
        return new GgufVocabulary(
                GgufVocabulary.Model.SENTENCE_PIECE,
                "default",
                tokens,
                List.of(),
                addsSpace(),
                addsBos,
                bos,
                eos,
                ends,
                model.unknown(),
                pad == eos ? -1 : pad);
    }

    private void requireLikeLlamaCpp() throws DataException {
        NormalizerSpec normalizer = model.normalizer();
        List<String> faults = new ArrayList<>();
        if (!model.trainer().getByteFallback()) {
            faults.add("a model without byte_fallback");
        }
        if (!normalizer.getEscapeWhitespaces()) {
            faults.add("spaces that are not escaped");
        }
        if (normalizer.getRemoveExtraWhitespaces()) {
            faults.add("remove_extra_whitespaces");
        }
        if (vocabulary.hasUnused) {
            faults.add("unused pieces");
        }
        if (addsSpace() && vocabulary.hasUserDefined()) {
            faults.add("user-defined pieces where texts get a space in front");
        }
        if (!faults.isEmpty()) {
            throw new DataException(
                    "%s: llama.cpp has no like of: %s"
                            .formatted(model.files().file(), String.join("; ", faults)));
        }
    }

    @Override
    public String toString() {
        return "SentencePiece BPE of " + bytes.length;
    }
}
