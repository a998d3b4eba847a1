package org.ringworld.tokenizer.chat;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.ringworld.tokenizer.chat.JinjaLexer.Kind;
import org.ringworld.tokenizer.chat.values.JinjaOperators;
import org.ringworld.tokenizer.chat.values.JinjaValues;

/** Tokens to expressions, by Jinja's grammar: one method for each level of binding. */
final class JinjaExpressions {
    /** Gives its value when it is needed. */
    @FunctionalInterface
    interface Expression {
        Object in(JinjaScope scope);
    }

    static final Set<String> CONSTANTS = Set.of("true", "false", "none", "True", "False", "None");
    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");
    private static final int DEEPEST = 100;

    private final JinjaTokens tokens;
    private final JinjaOperands operands;
    private int depth;

    JinjaExpressions(JinjaTokens tokens) {
        this.tokens = tokens;
        this.operands = new JinjaOperands(tokens, this);
    }

    JinjaOperands operands() {
        return operands;
    }

    /** One expression, or several with commas, which are a tuple. */
    Expression tuple() {
        return tuple(true);
    }

    /** The same where {@code if} belongs to what stands around. */
    Expression tupleWithoutIf() {
        return tuple(false);
    }

    private Expression tuple(boolean condition) {
        List<Expression> parts = new ArrayList<>();
        do {
            if (!parts.isEmpty() && endsTuple()) {
                return all(parts, true);
            }
            parts.add(condition ? expression() : or());
        } while (tokens.take(","));
        return parts.size() == 1 ? parts.getFirst() : all(parts, true);
    }

    private boolean endsTuple() {
        Kind kind = tokens.peek().kind();
        return kind == Kind.CLOSE_BLOCK || kind == Kind.CLOSE_VARIABLE || tokens.peek().is(")");
    }

    static Expression all(List<Expression> parts, boolean tuple) {
        return scope -> {
            List<Object> values = new ArrayList<>();
            parts.forEach(part -> values.add(part.in(scope)));
            return JinjaBudget.paid(tuple ? new JinjaValues.Tuple(values) : values);
        };
    }

    Expression expression() {
        if (++depth > DEEPEST) {
            throw JinjaException.of("expressions lie more than %d deep in each other", DEEPEST);
        }
        Expression value = or();
        while (tokens.takeName("if")) {
            Expression then = value;
            Expression condition = or();
            Expression otherwise =
                    tokens.takeName("else")
                            ? expression()
                            : scope -> JinjaValues.undefined("an if without else gave nothing");
            value =
                    scope ->
                            JinjaValues.truth(condition.in(scope))
                                    ? then.in(scope)
                                    : otherwise.in(scope);
        }
        depth--;
        return value;
    }

    private Expression or() {
        Expression left = and();
        while (tokens.takeName("or")) {
            Expression first = left;
            Expression second = and();
            left =
                    scope -> {
                        Object value = first.in(scope);
                        return JinjaValues.truth(value) ? value : second.in(scope);
                    };
        }
        return left;
    }

    private Expression and() {
        Expression left = not();
        while (tokens.takeName("and")) {
            Expression first = left;
            Expression second = not();
            left =
                    scope -> {
                        Object value = first.in(scope);
                        return JinjaValues.truth(value) ? second.in(scope) : value;
                    };
        }
        return left;
    }

    private Expression not() {
        boolean negated = false;
        boolean any = false;
        while (tokens.takeName("not")) {
            negated = !negated;
            any = true;
        }
        Expression value = comparison();
        boolean wanted = !negated;
        return any ? scope -> JinjaValues.truth(value.in(scope)) == wanted : value;
    }

    /** {@code a < b < c} compares each with the next, as in Python. */
    private Expression comparison() {
        List<Expression> operands = new ArrayList<>(List.of(sum()));
        List<String> operators = new ArrayList<>();
        while (true) {
            boolean notIn = tokens.peek().isName("not") && tokens.peekSecond().isName("in");
            if (notIn) {
                tokens.next();
            }
            boolean operator =
                    tokens.peek().kind() == Kind.OPERATOR
                            && COMPARISONS.contains(tokens.peek().text());
            if (!operator && !tokens.peek().isName("in")) {
                break;
            }
            operators.add((notIn ? "not " : "") + tokens.next().text());
            operands.add(sum());
        }
        if (operators.isEmpty()) {
            return operands.getFirst();
        }
        return scope -> {
            Object left = operands.getFirst().in(scope);
            for (int i = 0; i < operators.size(); i++) {
                Object right = operands.get(i + 1).in(scope);
                if (!JinjaOperators.compare(operators.get(i), left, right)) {
                    return false;
                }
                left = right;
            }
            return true;
        };
    }

    private Expression sum() {
        Expression left = concatenation();
        while (tokens.peek().is("+") || tokens.peek().is("-")) {
            left = binary(tokens.next().text(), left, concatenation());
        }
        return left;
    }

    private Expression concatenation() {
        Expression left = product();
        while (tokens.take("~")) {
            left = binary("~", left, product());
        }
        return left;
    }

    private Expression product() {
        Expression left = power();
        while (tokens.peek().is("*")
                || tokens.peek().is("/")
                || tokens.peek().is("//")
                || tokens.peek().is("%")) {
            left = binary(tokens.next().text(), left, power());
        }
        return left;
    }

    private Expression power() {
        Expression left = unary(true);
        while (tokens.take("**")) {
            left = binary("**", left, unary(true));
        }
        return left;
    }

    private static Expression binary(String operator, Expression left, Expression right) {
        return scope ->
                JinjaBudget.paid(JinjaOperators.binary(operator, left.in(scope), right.in(scope)));
    }

    private Expression unary(boolean filtered) {
        Expression value;
        if (tokens.peek().is("-") || tokens.peek().is("+")) {
            String sign = tokens.next().text();
            if (++depth > DEEPEST) {
                throw JinjaException.of("more than %d signs follow each other", DEEPEST);
            }
            Expression operand = unary(false);
            depth--;
            value =
                    sign.equals("-")
                            ? scope -> JinjaOperators.negative(operand.in(scope))
                            : binary(sign, scope -> 0L, operand);
        } else {
            value = operands.primary();
        }
        value = operands.postfix(value);
        return filtered ? operands.filtersAndTests(value) : value;
    }
}
