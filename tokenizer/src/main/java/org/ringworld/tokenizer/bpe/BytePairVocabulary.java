package org.ringworld.tokenizer.bpe;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.tokenizer.proto.Piece;

/**
 * What byte-pair merging asks of a SentencePiece model, as numbers. A symbol is the id of a piece,
 * or, from the vocabulary's size on, a character that only stands inside of pieces.
 */
final class BytePairVocabulary {
    /** The symbol of a character that is in no piece. */
    static final int NO_SYMBOL = Integer.MAX_VALUE;

    final SentencePieceModel model;
    private final int[] characters = new int[Character.MAX_CODE_POINT + 1];
    private final PairTable merges = new PairTable();
    private final PairTable neighbors = new PairTable();
    private final Map<Character, List<String>> userDefined = new HashMap<>();
    private final int[] ranks;
    private final int[] byteIds = new int[256];
    final boolean hasUnused;

    BytePairVocabulary(SentencePieceModel model) {
        this.model = model;
        List<Piece> texts = model.pieces().stream().filter(SentencePieceModel::isText).toList();
        hasUnused = texts.stream().anyMatch(p -> p.getType() == Piece.Type.UNUSED);
        ranks = ranks(model.pieces());
        Arrays.fill(characters, NO_SYMBOL);
        Arrays.fill(byteIds, model.unknown());
        if (model.trainer().getByteFallback()) {
            Arrays.setAll(byteIds, b -> model.ids().get(SentencePieceModel.byteName(b)));
        }
        int symbols = model.pieces().size();
        for (Piece piece : texts) {
            for (int character : piece.getPiece().codePoints().toArray()) {
                if (characters[character] == NO_SYMBOL) {
                    int id = symbol(Character.toString(character));
                    characters[character] = id < NO_SYMBOL ? id : symbols++;
                }
            }
        }
        texts.forEach(this::addSplits);
        for (Piece piece : texts) {
            if (piece.getType() == Piece.Type.USER_DEFINED) {
                userDefined
                        .computeIfAbsent(piece.getPiece().charAt(0), c -> new ArrayList<>())
                        .add(piece.getPiece());
            }
        }
        userDefined
                .values()
                .forEach(l -> l.sort(Comparator.comparingInt(String::length).reversed()));
    }

    /** Place of each piece in the order of scores, the best first; equal scores share one. */
    private static int[] ranks(List<Piece> pieces) {
        double[] scores = pieces.stream().mapToDouble(p -> -p.getScore()).sorted().toArray();
        int[] ranks = new int[pieces.size()];
        // −0 and 0 are the same score, but not to a binary search.
        Map<Float, Integer> first = new HashMap<>();
        for (int i = 0; i < scores.length; i++) {
            first.putIfAbsent((float) scores[i] + 0f, i);
        }
        Arrays.setAll(ranks, id -> first.get(0f - pieces.get(id).getScore()));
        return ranks;
    }

    private int symbol(String text) {
        Integer id = model.ids().get(text);
        if (id != null && SentencePieceModel.isText(model.pieces().get(id))) {
            return id;
        }
        boolean single = text.codePointCount(0, text.length()) == 1;
        return single ? characters[text.codePointAt(0)] : NO_SYMBOL;
    }

    /** Every way in which two symbols make this piece. */
    private void addSplits(Piece piece) {
        String text = piece.getPiece();
        int id = model.ids().get(text);
        int before = text.codePointAt(0);
        for (int at = Character.charCount(before); at < text.length(); ) {
            int after = text.codePointAt(at);
            neighbors.put(before, after, 1);
            int left = symbol(text.substring(0, at));
            int right = symbol(text.substring(at));
            if (left != NO_SYMBOL && right != NO_SYMBOL) {
                merges.put(left, right, id);
            }
            before = after;
            at += Character.charCount(after);
        }
    }

    int size() {
        return ranks.length;
    }

    int symbol(int character) {
        return characters[character];
    }

    /** The piece that two symbols make, or −1. */
    int merged(int left, int right) {
        return merges.get(left, right);
    }

    int rank(int piece) {
        return ranks[piece];
    }

    int byteId(int b) {
        return byteIds[b];
    }

    /** Whether no piece has these two characters next to each other: nothing merges over them. */
    boolean isBorder(int before, int after) {
        return neighbors.get(before, after) < 0;
    }

    boolean hasUserDefined() {
        return !userDefined.isEmpty();
    }

    /** The longest user-defined piece that begins here, or null. */
    String userDefined(String text, int at) {
        if (userDefined.isEmpty()) {
            return null;
        }
        for (String piece : userDefined.getOrDefault(text.charAt(at), List.of())) {
            if (text.startsWith(piece, at)) {
                return piece;
            }
        }
        return null;
    }
}
