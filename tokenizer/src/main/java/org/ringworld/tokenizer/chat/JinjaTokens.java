package org.ringworld.tokenizer.chat;

import java.util.ArrayList;
import java.util.List;
import org.ringworld.tokenizer.chat.JinjaLexer.Kind;
import org.ringworld.tokenizer.chat.JinjaLexer.Token;

/** A template's tokens, and how far they are read. */
final class JinjaTokens {
    private final List<Token> tokens;
    private int at;

    JinjaTokens(List<Token> tokens) {
        this.tokens = new ArrayList<>(tokens);
    }

    Token peek() {
        return tokens.get(at);
    }

    Token next() {
        Token token = tokens.get(at);
        at = Math.min(at + 1, tokens.size() - 1);
        return token;
    }

    /** Reads the last token again; the end of the template is never passed. */
    void back() {
        at = tokens.size() - 1;
    }

    /** Reads an operator that was not written. */
    void pretend(String operator) {
        tokens.add(at, new Token(Kind.OPERATOR, operator, peek().line()));
    }

    /** Where the next token stands among all. */
    int place() {
        return at;
    }

    /** Whether a name was read since that place. */
    boolean namedSince(int place, String name) {
        return tokens.subList(place, at).stream().anyMatch(token -> token.isName(name));
    }

    Token expect(Kind kind, String what) {
        if (peek().kind() != kind) {
            throw JinjaException.of("%s is wanted, not %s", what, peek().text());
        }
        return next();
    }

    void expectOperator(String operator) {
        if (!take(operator)) {
            throw JinjaException.of("%s is wanted, not %s", operator, peek().text());
        }
    }

    void expectName(String name) {
        if (!takeName(name)) {
            throw JinjaException.of("%s is wanted, not %s", name, peek().text());
        }
    }

    boolean take(String operator) {
        boolean there = peek().is(operator);
        if (there) {
            next();
        }
        return there;
    }

    boolean takeName(String name) {
        boolean there = peek().isName(name);
        if (there) {
            next();
        }
        return there;
    }

    /** The token after the next one; the end of the template is followed by itself. */
    Token peekSecond() {
        return tokens.get(Math.min(at + 1, tokens.size() - 1));
    }
}
