package org.ringworld.tokenizer.chat.values;

import java.util.List;
import java.util.Map;
import org.ringworld.tokenizer.chat.JinjaException;

/** What can stand after {@code is}. */
public final class JinjaTests {
    private JinjaTests() {}

    /**
     * @throws JinjaException where no test has the name
     */
    public static boolean test(String name, Object value, JinjaArguments arguments) {
        return switch (name) {
            case "defined" -> !(value instanceof JinjaValues.Undefined);
            case "undefined" -> value instanceof JinjaValues.Undefined;
            case "none" -> value == null;
            case "string" -> value instanceof String;
            case "number" -> JinjaValues.number(value);
            case "integer" -> value instanceof Long;
            case "float" -> value instanceof Double;
            case "boolean" -> value instanceof Boolean;
            case "true" -> Boolean.TRUE.equals(value);
            case "false" -> Boolean.FALSE.equals(value);
            case "mapping" -> value instanceof Map;
            case "sequence" ->
                    value instanceof List
                            || value instanceof Map
                            || value instanceof String
                            || value instanceof JinjaValues.Undefined;
            case "iterable" ->
                    value instanceof JinjaValues.Lazy || test("sequence", value, arguments);
            case "callable" -> value instanceof JinjaArguments.Callable;
            case "odd" -> remainder(value, 2) == 1;
            case "even" -> remainder(value, 2) == 0;
            case "divisibleby" -> remainder(value, JinjaValues.index(one(arguments))) == 0;
            case "lower" -> JinjaStrings.cased(JinjaValues.str(value), false);
            case "upper" -> JinjaStrings.cased(JinjaValues.str(value), true);
            case "escaped" -> false;
            case "sameas" -> same(value, one(arguments));
            case "filter" -> JinjaFilters.NAMES.contains(JinjaValues.str(value));
            case "test" -> isTest(JinjaValues.str(value));
            case "eq", "equalto", "==" -> JinjaOperators.compare("==", value, one(arguments));
            case "ne", "!=" -> JinjaOperators.compare("!=", value, one(arguments));
            case "lt", "lessthan", "<" -> JinjaOperators.compare("<", value, one(arguments));
            case "le", "<=" -> JinjaOperators.compare("<=", value, one(arguments));
            case "gt", "greaterthan", ">" -> JinjaOperators.compare(">", value, one(arguments));
            case "ge", ">=" -> JinjaOperators.compare(">=", value, one(arguments));
            case "in" -> JinjaOperators.compare("in", value, one(arguments));
            default -> throw JinjaException.of("the test %s is not known", name);
        };
    }

    private static Object one(JinjaArguments arguments) {
        return arguments.take("other").need(0);
    }

    private static long remainder(Object value, int by) {
        Object remainder = JinjaOperators.binary("%", value, (long) by);
        return remainder instanceof Double d ? d == 0 ? 0 : 2 : (Long) remainder;
    }

    private static boolean same(Object a, Object b) {
        return a == b
                || (a instanceof Boolean || a instanceof Long || a instanceof String)
                        && a.equals(b);
    }

    private static boolean isTest(String name) {
        try {
            test(name, 1L, new JinjaArguments(List.of(1L), Map.of()));
            return true;
        } catch (JinjaException e) {
            return !e.getMessage().startsWith("the test ");
        }
    }
}
