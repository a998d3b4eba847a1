package org.ringworld.tokenizer.documents;

import java.util.List;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.packing.SequencePacking;

/** Some documents of a token cache, and parts of such. */
public record DocumentSet(TokenCache cache, Tokenizer tokenizer, List<Part> parts) {
    /** Tokens [from, to) of a document; where it was cut, the outer ones become BOS and EOS. */
    public record Part(int document, int from, int to) {
        int tokens() {
            return to - from;
        }
    }

    int size() {
        return parts.size();
    }

    int tokens(int index) {
        return parts.get(index).tokens();
    }

    /** All but so many at the beginning. */
    DocumentSet after(int skip) {
        return new DocumentSet(
                cache, tokenizer, parts.subList(Math.min(skip, parts.size()), parts.size()));
    }

    /** Those of at least {@code least} and under {@code limit} tokens, BOS and EOS included. */
    DocumentSet ofLength(int least, int limit) {
        return new DocumentSet(
                cache,
                tokenizer,
                parts.stream().filter(p -> p.tokens() >= least && p.tokens() < limit).toList());
    }

    long targets() {
        return parts.stream().mapToLong(part -> Math.max(0, part.tokens() - 1)).sum();
    }

    /** Tokens [from, to) of one of them. */
    SequencePacking.Document slice(int index, int from, int to) {
        Part part = parts.get(index);
        SequencePacking.Document slice =
                cache.slice(part.document(), part.from() + from, part.from() + to);
        if (from == 0 && part.from() > 0 && to > 0 && tokenizer.addsBos()) {
            slice.ids()[0] = tokenizer.bos();
        }
        if (to == part.tokens() && part.to() < cache.tokens(part.document())) {
            slice.ids()[to - from - 1] = tokenizer.eos();
        }
        return slice;
    }

    /** Σ of the weights of its targets that are text, or of those that are vision codes. */
    double targetWeight(int index, boolean vision) {
        Part part = parts.get(index);
        return part.tokens() == 0
                ? 0
                : cache.weight(part.document(), part.from() + 1, part.to(), vision);
    }
}
