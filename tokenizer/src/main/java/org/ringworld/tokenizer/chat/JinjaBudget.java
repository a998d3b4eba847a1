package org.ringworld.tokenizer.chat;

/**
 * What one rendering may take: templates come from strangers, and one of a few lines can write for
 * ever. Counted are characters made, elements walked and calls.
 */
public final class JinjaBudget {
    private static final ScopedValue<JinjaBudget> CURRENT = ScopedValue.newInstance();
    private static final int DEEPEST = 100;

    private final long most;
    private long spent;
    private int depth;

    private JinjaBudget(long most) {
        this.most = most;
    }

    static <T> T within(long most, ScopedValue.CallableOp<T, JinjaException> work) {
        return ScopedValue.where(CURRENT, new JinjaBudget(most)).call(work);
    }

    public static void spend(long amount) {
        JinjaBudget budget = CURRENT.get();
        budget.spent += amount;
        if (budget.spent > budget.most) {
            throw JinjaException.of("takes more steps or text than a chat template may");
        }
    }

    /** Before a macro's body; {@link #leave} after it. */
    static void enter() {
        if (++CURRENT.get().depth > DEEPEST) {
            throw JinjaException.of("macros call each other more than %d deep", DEEPEST);
        }
    }

    static void leave() {
        CURRENT.get().depth--;
    }

    /** What was made, paid for by its size. */
    static Object paid(Object made) {
        spend(
                switch (made) {
                    case String text -> 8 + text.length();
                    case java.util.List<?> list -> 8 + list.size();
                    case null, default -> 8;
                });
        return made;
    }
}
