package org.ringworld.tokenizer.suites;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * How alike two texts are (Ratcliff and Metzener 1988): the longest common part, then the same on
 * its left and right. The same number as {@code SequenceMatcher(None, a, b).ratio()} of Python's
 * difflib, of which others' scores are made: also in that characters that make up over 1 % of a
 * text of 200 or more begin no common part.
 */
final class SequenceMatcher {
    private static final int LONG = 200;

    private final int[] a;
    private final int[] b;
    private final Map<Integer, List<Integer>> places = new HashMap<>();

    private SequenceMatcher(String a, String b) {
        this.a = a.codePoints().toArray();
        this.b = b.codePoints().toArray();
        for (int j = 0; j < this.b.length; j++) {
            places.computeIfAbsent(this.b[j], _ -> new ArrayList<>()).add(j);
        }
        int most = this.b.length / 100 + 1;
        if (this.b.length >= LONG) {
            places.values().removeIf(at -> at.size() > most);
        }
    }

    /** Twice the characters in common parts, of all characters; 1 of two empty texts. */
    static double ratio(String a, String b) {
        SequenceMatcher matcher = new SequenceMatcher(a, b);
        int all = matcher.a.length + matcher.b.length;
        return all == 0 ? 1 : 2.0 * matcher.common() / all;
    }

    /** Parts that are compared: [aFrom, aTo) and [bFrom, bTo). */
    private record Part(int aFrom, int aTo, int bFrom, int bTo) {}

    private int common() {
        int common = 0;
        Deque<Part> open = new ArrayDeque<>(List.of(new Part(0, a.length, 0, b.length)));
        while (!open.isEmpty()) {
            Part in = open.removeLast();
            Part same = longest(in);
            int size = same.aTo - same.aFrom;
            if (size > 0) {
                common += size;
                open.add(new Part(in.aFrom, same.aFrom, in.bFrom, same.bFrom));
                open.add(new Part(same.aTo, in.aTo, same.bTo, in.bTo));
            }
        }
        return common;
    }

    /** The first of the longest common parts. */
    private Part longest(Part in) {
        int aEnd = in.aFrom;
        int bEnd = in.bFrom;
        int size = 0;
        // Length of the common part that ends at a[i - 1] and b[j - 1], by j.
        int[] before = new int[b.length + 1];
        int[] now = new int[b.length + 1];
        for (int i = in.aFrom; i < in.aTo; i++) {
            for (int j : places.getOrDefault(a[i], List.of())) {
                if (j >= in.bFrom && j < in.bTo) {
                    now[j + 1] = before[j] + 1;
                    if (now[j + 1] > size) {
                        size = now[j + 1];
                        aEnd = i + 1;
                        bEnd = j + 1;
                    }
                }
            }
            int[] swap = before;
            before = now;
            now = swap;
            Arrays.fill(now, 0);
        }
        int aStart = aEnd - size;
        int bStart = bEnd - size;
        while (aStart > in.aFrom && bStart > in.bFrom && a[aStart - 1] == b[bStart - 1]) {
            aStart--;
            bStart--;
        }
        while (aEnd < in.aTo && bEnd < in.bTo && a[aEnd] == b[bEnd]) {
            aEnd++;
            bEnd++;
        }
        return new Part(aStart, aEnd, bStart, bEnd);
    }
}
