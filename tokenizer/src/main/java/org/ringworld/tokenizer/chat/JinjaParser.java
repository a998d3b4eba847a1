package org.ringworld.tokenizer.chat;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.ringworld.tokenizer.chat.JinjaExpressions.Expression;
import org.ringworld.tokenizer.chat.JinjaLexer.Kind;
import org.ringworld.tokenizer.chat.JinjaLexer.Token;
import org.ringworld.tokenizer.chat.JinjaLoop.Target;
import org.ringworld.tokenizer.chat.values.JinjaValues;

/** Tokens to statements: what stands between <code>{%</code> and <code>%}</code>. */
final class JinjaParser {
    /** How a statement ended. */
    enum Flow {
        ON,
        BREAK,
        CONTINUE
    }

    @FunctionalInterface
    interface Statement {
        Flow run(JinjaScope scope, StringBuilder out);
    }

    private static final int DEEPEST = 100;

    private final JinjaTokens tokens;
    private final JinjaExpressions expressions;
    private int depth;
    private int loops;

    private JinjaParser(List<Token> tokens) {
        this.tokens = new JinjaTokens(tokens);
        expressions = new JinjaExpressions(this.tokens);
    }

    /**
     * @throws JinjaException with its line where the template is not one, or holds what is not
     *     known
     */
    static Statement parse(String source) {
        JinjaParser parser = new JinjaParser(JinjaLexer.tokens(source));
        try {
            Statement body = parser.body(Set.of());
            if (parser.tokens.peek().kind() != Kind.END) {
                throw JinjaException.of("%s belongs to nothing", parser.tokens.peek().text());
            }
            return body;
        } catch (JinjaException e) {
            throw e.at(parser.tokens.peek().line());
        }
    }

    /** Up to one of the tags, whose name comes next then, or to the end where none is wanted. */
    private Statement body(Set<String> until) {
        if (++depth > DEEPEST) {
            throw JinjaException.of("blocks lie more than %d deep in each other", DEEPEST);
        }
        List<Statement> statements = new ArrayList<>();
        while (true) {
            Token token = tokens.next();
            switch (token.kind()) {
                case TEXT -> statements.add(write(scope -> token.text()));
                case OPEN_VARIABLE -> {
                    Expression value = expressions.tuple();
                    tokens.expect(Kind.CLOSE_VARIABLE, "}}");
                    statements.add(at(token.line(), write(value)));
                }
                case OPEN_BLOCK -> {
                    if (until.contains(tokens.peek().text())) {
                        depth--;
                        return all(statements);
                    }
                    statements.add(at(token.line(), statement()));
                }
                default -> {
                    if (!until.isEmpty()) {
                        throw JinjaException.of("%s is missing", String.join(" or ", until));
                    }
                    tokens.back();
                    depth--;
                    return all(statements);
                }
            }
        }
    }

    /** A body whose end has no more to say. */
    private Statement bodyOf(String end) {
        close();
        Statement body = body(Set.of(end));
        tokens.next();
        close();
        return body;
    }

    private void close() {
        tokens.expect(Kind.CLOSE_BLOCK, "%}");
    }

    private Statement statement() {
        Token tag = tokens.expect(Kind.NAME, "a statement");
        return switch (tag.text()) {
            case "if" -> branches();
            case "for" -> loop();
            case "set" -> assignment();
            case "macro" -> macro();
            case "call" -> call();
            case "filter" -> filterBlock();
            case "with" -> with();
            case "generation" -> generation(inner(bodyOf("endgeneration")));
            case "break", "continue" -> {
                if (loops == 0) {
                    throw JinjaException.of("%s stands outside a loop", tag.text());
                }
                close();
                Flow flow = tag.text().equals("break") ? Flow.BREAK : Flow.CONTINUE;
                yield (scope, out) -> flow;
            }
            default ->
                    throw JinjaException.of(
                            "the statement %s is not known to chat templates", tag.text());
        };
    }

    /** What a model writes stands between marks where the one who renders asks for them. */
    private static Statement generation(Statement body) {
        return (scope, out) -> {
            boolean marked = JinjaValues.truth(scope.get(ChatText.MARKS));
            out.append(marked ? ChatText.OPEN : "");
            Flow flow = body.run(scope, out);
            out.append(marked ? ChatText.CLOSE : "");
            return flow;
        };
    }

    private Statement branches() {
        List<Expression> conditions = new ArrayList<>();
        List<Statement> bodies = new ArrayList<>();
        String tag = "if";
        while (!tag.equals("endif")) {
            conditions.add(tag.equals("else") ? scope -> true : expressions.tupleWithoutIf());
            close();
            bodies.add(
                    body(tag.equals("else") ? Set.of("endif") : Set.of("elif", "else", "endif")));
            tag = tokens.next().text();
        }
        close();
        return (scope, out) -> {
            for (int i = 0; i < bodies.size(); i++) {
                if (JinjaValues.truth(conditions.get(i).in(scope))) {
                    return bodies.get(i).run(scope, out);
                }
            }
            return Flow.ON;
        };
    }

    private Statement loop() {
        Target target = target();
        tokens.expectName("in");
        Expression items = expressions.tupleWithoutIf();
        Expression test = tokens.takeName("if") ? expressions.expression() : null;
        if (tokens.peek().isName("recursive")) {
            throw JinjaException.of("recursive loops are not known to chat templates");
        }
        close();
        loops++;
        Statement body = body(Set.of("else", "endfor"));
        loops--;
        Statement otherwise = (scope, out) -> Flow.ON;
        if (tokens.next().text().equals("else")) {
            otherwise = bodyOf("endfor");
        } else {
            close();
        }
        return new JinjaLoop(target, items, test, body, otherwise);
    }

    /** Names, a tuple of them, or what a namespace holds. */
    private Target target() {
        List<Target> targets = new ArrayList<>();
        boolean tuple = false;
        do {
            if (tuple && tokens.peek().kind() != Kind.NAME && !tokens.peek().is("(")) {
                break;
            }
            targets.add(oneTarget());
            tuple |= tokens.peek().is(",");
        } while (tokens.take(","));
        return tuple ? JinjaLoop.unpack(targets) : targets.getFirst();
    }

    private Target oneTarget() {
        if (tokens.take("(")) {
            Target inner = target();
            tokens.expectOperator(")");
            return inner;
        }
        String name = tokens.expect(Kind.NAME, "a name").text();
        if (JinjaExpressions.CONSTANTS.contains(name)) {
            throw JinjaException.of("%s cannot be set", name);
        }
        if (!tokens.take(".")) {
            return (scope, value) -> scope.set(name, value);
        }
        String attribute = tokens.expect(Kind.NAME, "a name").text();
        return (scope, value) -> {
            if (!(scope.get(name) instanceof JinjaValues.Namespace namespace)) {
                throw JinjaException.of("%s is no namespace, so nothing in it can be set", name);
            }
            namespace.values().put(attribute, value);
        };
    }

    private Statement assignment() {
        Target target = target();
        if (tokens.take("=")) {
            Expression value = expressions.tuple();
            close();
            return (scope, out) -> {
                target.set(scope, value.in(scope));
                return Flow.ON;
            };
        }
        List<JinjaOperands.Filter> filters = expressions.operands().filters();
        Statement body = bodyOf("endset");
        return (scope, out) -> {
            target.set(scope, JinjaOperands.apply(filters, text(body, scope.inner()), scope));
            return Flow.ON;
        };
    }

    private Statement macro() {
        String name = tokens.expect(Kind.NAME, "a name").text();
        Map<String, Expression> parameters = parameters();
        int from = tokens.place();
        Statement body = macroBody("endmacro");
        JinjaMacro.More more = more(from);
        return (scope, out) -> {
            scope.set(name, new JinjaMacro(name, parameters, body, more, scope));
            return Flow.ON;
        };
    }

    private JinjaMacro.More more(int from) {
        return new JinjaMacro.More(
                tokens.namedSince(from, "varargs"), tokens.namedSince(from, "kwargs"));
    }

    private Statement macroBody(String end) {
        int around = loops;
        loops = 0;
        Statement body = bodyOf(end);
        loops = around;
        return body;
    }

    /** Names with their defaults, null where there is none. */
    private Map<String, Expression> parameters() {
        Map<String, Expression> parameters = new LinkedHashMap<>();
        tokens.expectOperator("(");
        while (!tokens.take(")")) {
            if (!parameters.isEmpty()) {
                tokens.expectOperator(",");
            }
            String name = tokens.expect(Kind.NAME, "a name").text();
            parameters.put(name, tokens.take("=") ? expressions.expression() : null);
        }
        return parameters;
    }

    private Statement call() {
        Map<String, Expression> parameters = tokens.peek().is("(") ? parameters() : Map.of();
        Expression call = expressions.operands().callWith("caller");
        int from = tokens.place();
        Statement body = macroBody("endcall");
        JinjaMacro.More more = more(from);
        return write(
                scope -> {
                    JinjaScope inner = scope.inner();
                    inner.set("caller", new JinjaMacro("caller", parameters, body, more, scope));
                    return call.in(inner);
                });
    }

    private Statement filterBlock() {
        tokens.pretend("|");
        List<JinjaOperands.Filter> filters = expressions.operands().filters();
        Statement body = bodyOf("endfilter");
        return write(scope -> JinjaOperands.apply(filters, text(body, scope.inner()), scope));
    }

    private Statement with() {
        List<Target> targets = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (tokens.peek().kind() == Kind.NAME || !targets.isEmpty() && tokens.take(",")) {
            targets.add(oneTarget());
            tokens.expectOperator("=");
            values.add(expressions.expression());
        }
        Statement body = bodyOf("endwith");
        return (scope, out) -> {
            JinjaScope inner = scope.inner();
            for (int i = 0; i < targets.size(); i++) {
                targets.get(i).set(inner, values.get(i).in(scope));
            }
            return body.run(inner, out);
        };
    }

    private static Statement inner(Statement body) {
        return (scope, out) -> body.run(scope.inner(), out);
    }

    static String text(Statement body, JinjaScope scope) {
        StringBuilder out = new StringBuilder();
        body.run(scope, out);
        return out.toString();
    }

    private static Statement write(Expression value) {
        return (scope, out) -> {
            String text = JinjaValues.str(value.in(scope));
            JinjaBudget.spend(1 + text.length());
            out.append(text);
            return Flow.ON;
        };
    }

    private static Statement all(List<Statement> statements) {
        return (scope, out) -> {
            for (Statement statement : statements) {
                Flow flow = statement.run(scope, out);
                if (flow != Flow.ON) {
                    return flow;
                }
            }
            return Flow.ON;
        };
    }

    private static Statement at(int line, Statement statement) {
        return (scope, out) -> {
            try {
                return statement.run(scope, out);
            } catch (JinjaException e) {
                throw e.at(line);
            }
        };
    }
}
