package org.ringworld.tokenizer.chat.values;

import java.math.BigDecimal;
import java.math.RoundingMode;
import org.ringworld.tokenizer.chat.JinjaException;
import org.ringworld.tokenizer.chat.values.JinjaArguments.Bound;

/** Filters that make numbers: {@code int}, {@code float}, {@code round}. */
final class JinjaNumbers {
    private JinjaNumbers() {}

    static Object whole(Object value, Bound bound) {
        JinjaValues.refuseUndefined(value);
        int base = bound.number(1, 10);
        try {
            if (value instanceof String text) {
                String digits = JinjaText.strip(text, null, true, true).replace("_", "");
                try {
                    return Long.parseLong(
                            base == 16 ? digits.replaceFirst("^0[xX]", "") : digits, base);
                } catch (NumberFormatException e) {
                    return (long) Double.parseDouble(digits);
                }
            }
            return JinjaValues.number(value)
                    ? (Object) (long) JinjaOperators.real(value)
                    : bound.get(0, 0L);
        } catch (NumberFormatException e) {
            return bound.get(0, 0L);
        }
    }

    static Object real(Object value, Object otherwise) {
        JinjaValues.refuseUndefined(value);
        try {
            return value instanceof String text
                    ? (Object) Double.parseDouble(JinjaText.strip(text, null, true, true))
                    : JinjaValues.number(value) ? (Object) JinjaOperators.real(value) : otherwise;
        } catch (NumberFormatException e) {
            return otherwise;
        }
    }

    static Object rounded(Object value, Bound bound) {
        if (!JinjaValues.number(value)) {
            throw JinjaException.of("%s cannot be rounded", JinjaValues.type(value));
        }
        int places = Math.clamp(bound.number(0, 0), -300, 300);
        String method = bound.text(1, "common");
        if (method.equals("common") && value instanceof Long && places >= 0) {
            return value;
        }
        RoundingMode mode =
                switch (method) {
                    case "common" -> RoundingMode.HALF_EVEN;
                    case "ceil" -> RoundingMode.CEILING;
                    case "floor" -> RoundingMode.FLOOR;
                    default -> throw JinjaException.of("round by %s is not known", method);
                };
        double real = JinjaOperators.real(value);
        return Double.isFinite(real)
                ? new BigDecimal(real).setScale(places, mode).doubleValue()
                : real;
    }
}
