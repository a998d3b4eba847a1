package org.ringworld.tokenizer.chat;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.ringworld.tokenizer.chat.JinjaExpressions.Expression;
import org.ringworld.tokenizer.chat.JinjaLexer.Kind;
import org.ringworld.tokenizer.chat.JinjaLexer.Token;
import org.ringworld.tokenizer.chat.values.JinjaArguments;
import org.ringworld.tokenizer.chat.values.JinjaArguments.Callable;
import org.ringworld.tokenizer.chat.values.JinjaFilters;
import org.ringworld.tokenizer.chat.values.JinjaOperators;
import org.ringworld.tokenizer.chat.values.JinjaTests;
import org.ringworld.tokenizer.chat.values.JinjaText;
import org.ringworld.tokenizer.chat.values.JinjaValues;

/** Tokens to what operators stand between: names, literals, and what follows them directly. */
final class JinjaOperands {
    private static final Set<Kind> BEGIN_ARGUMENT =
            Set.of(Kind.NAME, Kind.STRING, Kind.INTEGER, Kind.FLOAT);
    private static final Set<String> AFTER_TEST = Set.of("else", "or", "and", "if");

    private final JinjaTokens tokens;
    private final JinjaExpressions expressions;

    JinjaOperands(JinjaTokens tokens, JinjaExpressions expressions) {
        this.tokens = tokens;
        this.expressions = expressions;
    }

    Expression primary() {
        Token token = tokens.next();
        return switch (token.kind()) {
            case NAME -> name(token.text());
            case INTEGER -> constant(JinjaText.integer(token.text()));
            case FLOAT -> constant(Double.parseDouble(token.text().replace("_", "")));
            case STRING -> {
                StringBuilder text = new StringBuilder(JinjaText.literal(token.text()));
                while (tokens.peek().kind() == Kind.STRING) {
                    text.append(JinjaText.literal(tokens.next().text()));
                }
                yield constant(text.toString());
            }
            case OPERATOR ->
                    switch (token.text()) {
                        case "(" -> parenthesis();
                        case "[" -> list();
                        case "{" -> dictionary();
                        default -> throw unexpected(token);
                    };
            default -> throw unexpected(token);
        };
    }

    private static JinjaException unexpected(Token token) {
        return JinjaException.of("an expression is wanted, not %s", token.text());
    }

    private static Expression constant(Object value) {
        return scope -> value;
    }

    private static Expression name(String name) {
        return switch (name) {
            case "true", "True" -> constant(true);
            case "false", "False" -> constant(false);
            case "none", "None" -> constant(null);
            default -> scope -> scope.get(name);
        };
    }

    private Expression parenthesis() {
        if (tokens.take(")")) {
            return JinjaExpressions.all(List.of(), true);
        }
        Expression inner = expressions.tuple();
        tokens.expectOperator(")");
        return inner;
    }

    private Expression list() {
        List<Expression> parts = new ArrayList<>();
        while (!tokens.take("]")) {
            if (!parts.isEmpty()) {
                tokens.expectOperator(",");
                if (tokens.take("]")) {
                    break;
                }
            }
            parts.add(expressions.expression());
        }
        return JinjaExpressions.all(parts, false);
    }

    private Expression dictionary() {
        Map<Expression, Expression> parts = new LinkedHashMap<>();
        while (!tokens.take("}")) {
            if (!parts.isEmpty()) {
                tokens.expectOperator(",");
                if (tokens.take("}")) {
                    break;
                }
            }
            Expression key = expressions.expression();
            tokens.expectOperator(":");
            parts.put(key, expressions.expression());
        }
        return scope -> {
            Map<Object, Object> values = new LinkedHashMap<>();
            parts.forEach(
                    (key, value) ->
                            values.put(JinjaValues.key(values, key.in(scope)), value.in(scope)));
            JinjaBudget.spend(8 + values.size());
            return values;
        };
    }

    Expression postfix(Expression start) {
        Expression value = start;
        while (true) {
            Expression base = value;
            if (tokens.take(".")) {
                Token name = tokens.next();
                if (name.kind() == Kind.NAME) {
                    value = scope -> JinjaValues.attribute(base.in(scope), name.text());
                } else if (name.kind() == Kind.INTEGER) {
                    Object index = JinjaText.integer(name.text());
                    value = scope -> JinjaValues.item(base.in(scope), index);
                } else {
                    throw JinjaException.of("a name is wanted after the dot, not %s", name.text());
                }
            } else if (tokens.take("[")) {
                value = subscript(base);
            } else if (tokens.peek().is("(")) {
                value = new Call(base, arguments());
            } else {
                return value;
            }
        }
    }

    private Expression subscript(Expression base) {
        List<Expression> parts = new ArrayList<>();
        boolean slice = false;
        while (!tokens.peek().is("]")) {
            if (tokens.take(":")) {
                slice = true;
                parts.add(null);
            } else {
                parts.add(expressions.expression());
            }
        }
        tokens.next();
        if (!slice) {
            if (parts.size() != 1) {
                throw JinjaException.of("one index is wanted between [ and ]");
            }
            Expression index = parts.getFirst();
            return scope -> JinjaValues.item(base.in(scope), index.in(scope));
        }
        Expression[] bounds = new Expression[3];
        int place = 0;
        for (Expression part : parts) {
            place += part == null ? 1 : 0;
            if (place > 2 || part != null && bounds[place] != null) {
                throw JinjaException.of("a slice is [from:to:step]");
            }
            bounds[place] = part == null ? bounds[place] : part;
        }
        return scope -> {
            Object[] values = new Object[3];
            for (int i = 0; i < 3; i++) {
                values[i] = bounds[i] == null ? null : bounds[i].in(scope);
            }
            return JinjaBudget.paid(JinjaOperators.slice(base.in(scope), values));
        };
    }

    /** A call, of the arguments as they are written. */
    private record Call(Expression callee, Arguments arguments) implements Expression {
        @Override
        public Object in(JinjaScope scope) {
            Object called = callee.in(scope);
            if (called instanceof Callable callable) {
                return JinjaBudget.paid(callable.call(arguments.in(scope)));
            }
            JinjaValues.refuseUndefined(called);
            throw JinjaException.of("%s cannot be called", JinjaValues.type(called));
        }
    }

    private record Arguments(
            List<Expression> positional, Map<String, Expression> named, List<Expression> spread) {
        JinjaArguments in(JinjaScope scope) {
            List<Object> values = new ArrayList<>();
            positional.forEach(value -> values.add(value.in(scope)));
            Map<String, Object> byName = new LinkedHashMap<>();
            named.forEach((name, value) -> byName.put(name, value.in(scope)));
            for (Expression several : spread) {
                Object value = several.in(scope);
                if (value instanceof Map<?, ?> map) {
                    map.forEach((name, one) -> byName.put(String.valueOf(name), one));
                } else {
                    values.addAll(JinjaValues.items(value));
                }
            }
            return new JinjaArguments(values, byName);
        }
    }

    private Arguments arguments() {
        Arguments arguments =
                new Arguments(new ArrayList<>(), new LinkedHashMap<>(), new ArrayList<>());
        tokens.expectOperator("(");
        boolean first = true;
        while (!tokens.take(")")) {
            if (!first) {
                tokens.expectOperator(",");
                if (tokens.take(")")) {
                    break;
                }
            }
            first = false;
            if (tokens.take("*") || tokens.take("**")) {
                arguments.spread.add(expressions.expression());
            } else if (tokens.peek().kind() == Kind.NAME && tokens.peekSecond().is("=")) {
                String name = tokens.next().text();
                tokens.next();
                arguments.named.put(name, expressions.expression());
            } else {
                arguments.positional.add(expressions.expression());
            }
        }
        return arguments;
    }

    /** An expression that is a call, given one argument more, by its name in the scope. */
    Expression callWith(String name) {
        if (!(expressions.expression() instanceof Call call)) {
            throw JinjaException.of("a call is wanted");
        }
        Map<String, Expression> named = new LinkedHashMap<>(call.arguments.named);
        named.put(name, name(name));
        return new Call(
                call.callee,
                new Arguments(call.arguments.positional, named, call.arguments.spread));
    }

    /** {@code |name(arguments)}. */
    record Filter(String name, Arguments arguments) {}

    /** As many as follow. */
    List<Filter> filters() {
        List<Filter> filters = new ArrayList<>();
        while (tokens.take("|")) {
            filters.add(filter());
        }
        return filters;
    }

    private Filter filter() {
        String name = dotted();
        return new Filter(
                name,
                tokens.peek().is("(")
                        ? arguments()
                        : new Arguments(List.of(), Map.of(), List.of()));
    }

    private String dotted() {
        StringBuilder name = new StringBuilder(tokens.expect(Kind.NAME, "a name").text());
        while (tokens.take(".")) {
            name.append('.').append(tokens.expect(Kind.NAME, "a name").text());
        }
        return name.toString();
    }

    static Object apply(List<Filter> filters, Object start, JinjaScope scope) {
        Object value = start;
        for (Filter filter : filters) {
            value =
                    JinjaBudget.paid(
                            JinjaFilters.apply(filter.name, value, filter.arguments.in(scope)));
        }
        return value;
    }

    Expression filtersAndTests(Expression start) {
        Expression value = start;
        while (true) {
            Expression base = value;
            if (tokens.take("|")) {
                List<Filter> one = List.of(filter());
                value = scope -> apply(one, base.in(scope), scope);
            } else if (tokens.takeName("is")) {
                value = test(base);
            } else if (tokens.peek().is("(")) {
                value = new Call(base, arguments());
            } else {
                return value;
            }
        }
    }

    private Expression test(Expression base) {
        boolean wanted = !tokens.takeName("not");
        String name = dotted();
        Arguments arguments;
        boolean argument =
                BEGIN_ARGUMENT.contains(tokens.peek().kind())
                        || tokens.peek().is("[")
                        || tokens.peek().is("{");
        if (tokens.peek().is("(")) {
            arguments = arguments();
        } else if (argument
                && !(tokens.peek().kind() == Kind.NAME
                        && AFTER_TEST.contains(tokens.peek().text()))) {
            if (tokens.peek().isName("is")) {
                throw JinjaException.of("tests cannot follow each other with is");
            }
            arguments = new Arguments(List.of(postfix(primary())), Map.of(), List.of());
        } else {
            arguments = new Arguments(List.of(), Map.of(), List.of());
        }
        return scope -> JinjaTests.test(name, base.in(scope), arguments.in(scope)) == wanted;
    }
}
