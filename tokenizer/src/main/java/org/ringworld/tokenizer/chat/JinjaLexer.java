package org.ringworld.tokenizer.chat;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.ringworld.tokenizer.chat.values.JinjaText;

/**
 * A template's text as tokens, with the settings of Transformers: {@code trim_blocks} (a line's end
 * right after a block or comment goes) and {@code lstrip_blocks} (so does space before one that
 * begins its line).
 */
final class JinjaLexer {
    enum Kind {
        TEXT,
        OPEN_VARIABLE,
        CLOSE_VARIABLE,
        OPEN_BLOCK,
        CLOSE_BLOCK,
        NAME,
        STRING,
        INTEGER,
        FLOAT,
        OPERATOR,
        END
    }

    record Token(Kind kind, String text, int line) {
        boolean is(String operator) {
            return kind == Kind.OPERATOR && text.equals(operator);
        }

        boolean isName(String name) {
            return kind == Kind.NAME && text.equals(name);
        }
    }

    private static final Pattern OPEN = pattern("\\{([{%#])([-+]?)");
    private static final Pattern RAW = pattern("\\{%([-+]?)\\s*raw\\s*(?:-%\\}\\s*|%\\})");
    private static final Pattern END_RAW =
            pattern("\\{%([-+]?)\\s*endraw\\s*(?:\\+%\\}|-%\\}\\s*|%\\}\\n?)");
    private static final Pattern END_COMMENT = pattern("\\+#\\}|-#\\}\\s*|#\\}\\n?");
    private static final Pattern END_BLOCK = pattern("\\+%\\}|-%\\}\\s*|%\\}\\n?");
    private static final Pattern END_VARIABLE = pattern("-\\}\\}\\s*|\\}\\}");
    private static final Pattern SPACE = pattern("\\s+");
    private static final Pattern FLOAT =
            pattern(
                    "(?<!\\.)[0-9](_?[0-9])*((\\.[0-9](_?[0-9])*)?[eE][-+]?[0-9](_?[0-9])*|\\.[0-9](_?[0-9])*)");
    private static final Pattern INTEGER =
            pattern("0[bB](_?[01])+|0[oO](_?[0-7])+|0[xX](_?[0-9a-fA-F])+|[1-9](_?[0-9])*|0(_?0)*");
    private static final Pattern NAME = pattern("[\\p{L}_][\\w]*");
    // Possessive: a long string costs no stack.
    private static final Pattern STRING =
            pattern("'[^'\\\\]*+(?:\\\\.[^'\\\\]*+)*+'|\"[^\"\\\\]*+(?:\\\\.[^\"\\\\]*+)*+\"");
    private static final Pattern OPERATOR =
            pattern("//|\\*\\*|==|!=|<=|>=|[-+/*%~\\[\\](){}<>=.:|,;]");

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private int at;
    private int line = 1;
    private int lineAt;

    private JinjaLexer(String source) {
        String lines = source.replace("\r\n", "\n").replace('\r', '\n');
        this.source = lines.endsWith("\n") ? lines.substring(0, lines.length() - 1) : lines;
    }

    private static Pattern pattern(String regex) {
        return Pattern.compile(regex, Pattern.UNICODE_CHARACTER_CLASS | Pattern.DOTALL);
    }

    /**
     * @throws JinjaException where what was opened is not closed, or a character means nothing
     */
    static List<Token> tokens(String source) {
        JinjaLexer lexer = new JinjaLexer(source);
        try {
            lexer.read();
        } catch (JinjaException e) {
            throw e.at(lexer.line);
        }
        return lexer.tokens;
    }

    private void read() {
        Matcher open = OPEN.matcher(source);
        while (open.find(at)) {
            int begin = open.start();
            Matcher raw = RAW.matcher(source).region(begin, source.length());
            if (raw.lookingAt()) {
                text(begin, raw.group(1), true);
                move(raw.end());
                close(END_RAW, "{% raw %}");
                continue;
            }
            boolean variable = open.group(1).equals("{");
            text(begin, open.group(2), !variable);
            move(open.end());
            if (open.group(1).equals("#")) {
                close(END_COMMENT, "{#");
            } else if (variable) {
                add(Kind.OPEN_VARIABLE, "{{");
                inside(END_VARIABLE, Kind.CLOSE_VARIABLE);
            } else {
                add(Kind.OPEN_BLOCK, "{%");
                inside(END_BLOCK, Kind.CLOSE_BLOCK);
            }
        }
        text(source.length(), "", false);
        move(source.length());
        add(Kind.END, "the end of the template");
    }

    /** The text from here on, less the space that the tag after it takes away. */
    private void text(int end, String sign, boolean block) {
        String text = source.substring(at, end);
        if (sign.equals("-")) {
            text = JinjaText.strip(text, null, false, true);
        } else if (block && !sign.equals("+")) {
            int from = text.lastIndexOf('\n') + 1;
            boolean begins = from > 0 || at == 0 || source.charAt(at - 1) == '\n';
            if (begins && JinjaText.strip(text.substring(from), null, true, false).isEmpty()) {
                text = text.substring(0, from);
            }
        }
        if (!text.isEmpty()) {
            add(Kind.TEXT, text);
        }
    }

    /** Past a comment or raw text, which alone stays. */
    private void close(Pattern pattern, String what) {
        Matcher end = pattern.matcher(source);
        if (!end.find(at)) {
            throw JinjaException.of("%s is never closed", what);
        }
        if (pattern == END_RAW) {
            text(end.start(), end.group(1), true);
        }
        move(end.end());
    }

    private void inside(Pattern closing, Kind kind) {
        Deque<Character> open = new ArrayDeque<>();
        while (at < source.length()) {
            if (open.isEmpty() && take(closing, kind)) {
                return;
            }
            Matcher space = SPACE.matcher(source).region(at, source.length());
            if (space.lookingAt()) {
                move(space.end());
            } else if (!take(FLOAT, Kind.FLOAT)
                    && !take(INTEGER, Kind.INTEGER)
                    && !take(NAME, Kind.NAME)
                    && !take(STRING, Kind.STRING)) {
                if (!take(OPERATOR, Kind.OPERATOR)) {
                    throw JinjaException.of(
                            "the character %s has no meaning here",
                            Character.toString(source.codePointAt(at)));
                }
                balance(open, source.charAt(at - 1));
            }
        }
        throw JinjaException.of(
                "a tag is never closed: %s is missing", kind == Kind.CLOSE_BLOCK ? "%}" : "}}");
    }

    private static void balance(Deque<Character> open, char c) {
        int opening = "({[".indexOf(c);
        if (opening >= 0) {
            open.push(")}]".charAt(opening));
        } else if (")}]".indexOf(c) >= 0 && (open.isEmpty() || open.pop() != c)) {
            throw JinjaException.of("%s closes nothing", c);
        }
    }

    private boolean take(Pattern pattern, Kind kind) {
        Matcher found =
                pattern.matcher(source).region(at, source.length()).useTransparentBounds(true);
        if (!found.lookingAt()) {
            return false;
        }
        add(kind, found.group());
        move(found.end());
        return true;
    }

    private void add(Kind kind, String text) {
        tokens.add(new Token(kind, text, line));
    }

    private void move(int to) {
        at = to;
        for (; lineAt < to; lineAt++) {
            line += source.charAt(lineAt) == '\n' ? 1 : 0;
        }
    }
}
