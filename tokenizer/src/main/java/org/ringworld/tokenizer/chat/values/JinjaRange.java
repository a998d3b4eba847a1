package org.ringworld.tokenizer.chat.values;

import java.util.AbstractList;
import org.ringworld.tokenizer.chat.JinjaException;
import org.ringworld.tokenizer.chat.values.JinjaArguments.Bound;

/** Python's {@code range}. */
public final class JinjaRange extends AbstractList<Object> {
    private static final int LONGEST = 100_000;

    private final long from;
    private final long to;
    private final long step;
    private final int size;

    JinjaRange(long from, long to, long step) {
        if (step == 0) {
            throw JinjaException.of("a range's step is zero");
        }
        long size = Math.max(0, Math.ceilDiv(to - from, step));
        if (size > LONGEST) {
            throw JinjaException.of("a range has more than %d numbers", LONGEST);
        }
        this.from = from;
        this.to = to;
        this.step = step;
        this.size = (int) size;
    }

    public static JinjaRange of(JinjaArguments arguments) {
        Bound bound = arguments.take("start", "stop", "step");
        boolean one = arguments.positional().size() == 1;
        return new JinjaRange(
                one ? 0 : JinjaValues.index(bound.need(0)),
                JinjaValues.index(bound.need(one ? 0 : 1)),
                bound.number(2, 1));
    }

    @Override
    public Object get(int index) {
        return from + index * step;
    }

    @Override
    public int size() {
        return size;
    }

    /** That of places, which are counted from its first number. */
    JinjaRange slice(long first, long end, long by) {
        return new JinjaRange(from + first * step, from + end * step, step * by);
    }

    @Override
    public String toString() {
        return "range(%d, %d".formatted(from, to) + (step == 1 ? ")" : ", " + step + ")");
    }
}
